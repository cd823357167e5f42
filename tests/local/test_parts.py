"""The machine's parts and the plugins' share nothing but the name of the folder."""

import ast
from pathlib import Path

LOCAL = Path(__file__).resolve().parents[2] / "local"


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def test_machine_parts_import_no_plugin_part():
    names = [name for path in LOCAL.glob("*.py") for name in imported(path)]
    assert "local.checkout" in names
    assert [name for name in names if f"{name}.".startswith("local.plugins.")] == []


def test_plugin_parts_import_no_machine_part():
    names = [name for path in (LOCAL / "plugins").rglob("*.py") for name in imported(path)]
    assert "local.plugins.process.serve" in names
    assert [name for name in names if f"{name}.".startswith("local.") and not name.startswith("local.plugins")] == []
