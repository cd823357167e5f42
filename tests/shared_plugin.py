"""One stand-in AWS plugin for all the engine runs of a test process: to start two for each was a third of their time.

Where PULUMI_DEBUG_PROVIDERS names a port, the engine starts no process for a provider, but opens a connection to that
port for each. Here each connection has a plugin of its own, so providers stay as far apart as processes would be.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from local.plugins.aws.service import AwsPlugin
from local.plugins.protocol import provider_pb2_grpc
from tests.preforked import remember_botocore

VARIABLE = "PULUMI_DEBUG_PROVIDERS"
THREADS = 32
CONNECTIONS = 64  # that engines may have at a time; nobody tells when one ends


class PluginForEachConnection:
    """Answers whoever calls with the plugin of that connection."""

    def __init__(self, plugin: type[AwsPlugin]) -> None:
        self._plugin_type = plugin
        self._plugins: dict[str, AwsPlugin] = {}  # the latest used last
        self._lock = threading.Lock()

    def _plugin(self, connection: str) -> AwsPlugin:
        """Return a connection's plugin; a port that an earlier connection had is no reason to drop it early."""
        with self._lock:
            plugin = self._plugins.pop(connection, None) or self._plugin_type()
            self._plugins[connection] = plugin
            for oldest in [*self._plugins][:-CONNECTIONS]:
                del self._plugins[oldest]
            return plugin

    def Attach(self, _request: Any, _context: grpc.ServicerContext) -> Empty:  # noqa: N802 - the protocol's name
        """Take in the engine's address, which this plugin does not need."""
        return Empty()

    def __getattr__(self, method: str) -> Any:
        return lambda request, context: getattr(self._plugin(context.peer()), method)(request, context)


@contextmanager
def shared_plugin(plugin: type[AwsPlugin] = AwsPlugin) -> Iterator[dict[str, str]]:
    """Serve, and yield what to add to the environment of an engine."""
    server = grpc.server(ThreadPoolExecutor(THREADS))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(PluginForEachConnection(plugin), server)  # type: ignore[arg-type]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    remember_botocore()  # that is most of what a provider costs
    yield {VARIABLE: f"aws:{port}"}
    server.stop(grace=None).wait()
