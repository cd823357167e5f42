"""Who may import whom. Parsed, not run: an import inside a function counts as well."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
IAM = sorted((ROOT / "components/iam").rglob("*.py"))
PROGRAM = [ROOT / "__main__.py", *sorted((ROOT / "components").rglob("*.py"))]
# The packages that each layer may not import.
LAYERS = {
    "iam": (IAM, {"pulumi", "pulumi_aws", "pydantic", "tools", "local"}),
    "program": ([*PROGRAM, ROOT / "package/__main__.py"], {"tools", "local"}),
    "tools": (sorted((ROOT / "tools").rglob("*.py")), {"pulumi", "pulumi_aws"}),
    "local": (sorted((ROOT / "local").rglob("*.py")), {"pulumi_aws", "tools"}),
}
# Whatever the program imports beyond these, a preview could wait for, fail on or change with.
PURE = {
    "base64", "binascii", "collections", "dataclasses", "difflib", "enum", "functools", "inspect", "ipaddress",
    "itertools", "json", "math", "operator", "pathlib", "re", "string", "textwrap", "types", "typing", "unicodedata",
}  # fmt: skip
PURE_PARTS = {"datetime": {"timedelta"}, "urllib": {"urlencode", "urlsplit", "quote"}}  # no clock, no urllib.request
THIRD_PARTY = {"pulumi", "pulumi_aws", "pydantic", "pydantic_core", "pysequoia", "yaml", "components"}
EXCEPTIONS = {
    # The one place with a clock: AWS encrypts to an expired PGP key too, and nobody could read the secret again.
    "components/pgp.py": {"datetime"},
    # It writes a given time into a document; it never reads the clock.
    "components/iam/documents.py": {"datetime"},
    # Public names are imported on first use.
    "components/__init__.py": {"importlib"},
    # The environment says which passphrase protects the stack's secrets; it goes no further than that check.
    "__main__.py": {"os", "os.environ"},
}


def name(path):
    return str(path.relative_to(ROOT))


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path):
    """Yield each import of a file as absolute module and name; the name is empty for `import module`."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            within = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*within, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_do_not_import_each_other(layer):
    """What works around the program imports of it only what is true of IAM."""
    files, others = LAYERS[layer]
    assert files
    found = {(name(path), module) for path in files for module, _ in imports(path)}
    assert [(path, module) for path, module in found if module.split(".")[0] in others] == []
    if layer in ("tools", "local"):
        assert [each for each in found if re.match(r"components\b(?!\.iam\b)", each[1])] == []


@pytest.mark.parametrize("path", LAYERS["tools"][0], ids=name)
def test_no_module_of_the_tools_imports_from_a_level_above_its_own(path):
    """Commands stand above their parts, these above the proof, and that above what all share."""
    if path == ROOT / "tools/__main__.py":
        return
    levels = {"proof": 1, "recovery": 2, "rotation": 2, "revocation": 2, "commands": 3}
    own = levels.get(path.relative_to(ROOT / "tools").parts[0], 0)
    above = [level for level, height in levels.items() if height > own]
    found = {module if module != "tools" else f"{module}.{imported}" for module, imported in imports(path)}
    assert [each for each in found if each.startswith(tuple(f"tools.{level}" for level in above))] == []


@pytest.mark.parametrize("path", IAM, ids=name)
def test_iam_imports_nothing_outside_itself_and_the_standard_library(path):
    assert [module for module, _ in imports(path) if not module.startswith("components.iam")
            and module.split(".")[0] not in sys.stdlib_module_names] == []  # fmt: skip


@pytest.mark.parametrize("path", PROGRAM, ids=name)
def test_the_program_imports_nothing_that_has_a_clock_chance_or_a_network(path):
    for module, imported in imports(path):
        package = module.split(".")[0]
        allowed = package in PURE | THIRD_PARTY or imported in PURE_PARTS.get(package, set())
        allowed = allowed or package in EXCEPTIONS.get(name(path), ())
        assert allowed, f"{name(path)} imports {module} {imported}"


def test_the_machines_parts_and_the_plugins_share_nothing_of_local():
    groups = (ROOT.glob("local/*.py"), ROOT.glob("local/plugins/**/*.py"))
    machine, plugins = ({f"{module}.{each}." for file in group for module, each in imports(file)} for group in groups)
    assert "local.checkout.Checkout." in machine
    assert [each for each in machine if each.startswith("local.plugins.")] == []
    assert [each for each in plugins if each.startswith("local.") and not each.startswith("local.plugins.")] == []
