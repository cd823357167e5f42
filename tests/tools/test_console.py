"""How commands ask: at a terminal, with --yes, and where there is nobody to answer."""

from types import SimpleNamespace

import pytest

from tools.console import agreed


@pytest.mark.parametrize(("answer", "expected"), [("y", True), ("Yes ", True), ("", False), ("n", False)])
def test_silence_is_no(monkeypatch, answer, expected):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _question: answer)
    assert agreed("Import?", yes=False) is expected


@pytest.mark.parametrize("yes", [True, False])
def test_where_nobody_is_only_the_option_answers_and_it_is_told(capsys, yes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
        assert agreed("Import?", yes=bool(yes)) is yes
    assert capsys.readouterr().out.startswith(f"Import? [y/N] {'y' if yes else 'n'} ")
