from tests.shared_plugin import CONNECTIONS, PluginForEachConnection


def test_a_connection_in_use_keeps_its_plugin():
    plugins = PluginForEachConnection(object)
    used = plugins._plugin("used")  # noqa: SLF001 - what each call of the engine asks for
    for other in range(2 * CONNECTIONS):
        plugins._plugin(str(other))  # noqa: SLF001 - as above
        assert plugins._plugin("used") is used  # noqa: SLF001 - as above
