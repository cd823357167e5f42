"""Who may import whom. Parsed, not run: an import inside a function counts as well."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = [ROOT / "__main__.py", *sorted((ROOT / "components").rglob("*.py"))]
LAYERS = {
    "iam": (sorted((ROOT / "iam").rglob("*.py")), {"components", "tools", "local"}),
    "program": ([*PROGRAM, ROOT / "package/__main__.py"], {"tools", "local"}),
    "tools": (sorted((ROOT / "tools").rglob("*.py")), {"components", "local"}),
    "local": (sorted((ROOT / "local").rglob("*.py")), {"components", "tools"}),
}
# Whatever the program imports beyond these, a preview could wait for, fail on or change with.
PURE = {
    "base64", "binascii", "collections", "dataclasses", "difflib", "enum", "functools", "inspect", "ipaddress",
    "itertools", "json", "math", "operator", "pathlib", "re", "string", "textwrap", "types", "typing", "unicodedata",
}  # fmt: skip
PURE_PARTS = {"datetime": {"timedelta"}, "urllib": {"urlencode", "urlsplit", "quote"}}  # no clock, no urllib.request
THIRD_PARTY = {"pulumi", "pulumi_aws", "pydantic", "pydantic_core", "pysequoia", "yaml", "components", "iam"}
EXCEPTIONS = {
    # The one place with a clock: AWS encrypts to an expired PGP key too, and nobody could read the secret again.
    "components/pgp.py": {"datetime"},
    # The environment says which passphrase protects the stack's secrets; it goes no further than that check.
    "__main__.py": {"os", "os.environ"},
}


def name(path):
    return str(path.relative_to(ROOT))


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path):
    """Yield each import of a file as module and name; the name is empty for `import module`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)} imports relatively"
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_do_not_import_each_other(layer):
    files, others = LAYERS[layer]
    assert files
    found = [f"{name(path)} imports {module}" for path in files for module, _ in imports(path)
             if module.split(".")[0] in others]  # fmt: skip
    assert found == []


@pytest.mark.parametrize("path", PROGRAM, ids=name)
def test_the_program_imports_nothing_that_has_a_clock_chance_or_a_network(path):
    for module, imported in imports(path):
        package = module.split(".")[0]
        allowed = package in PURE | THIRD_PARTY or imported in PURE_PARTS.get(package, set())
        allowed = allowed or package in EXCEPTIONS.get(name(path), ())
        assert allowed, f"{name(path)} imports {module} {imported}"
