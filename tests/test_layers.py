"""Who may import whom. Parsed, not run: an import inside a function counts as well."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = [ROOT / "__main__.py", *sorted((ROOT / "components").rglob("*.py"))]
LAYERS = {
    "program": (PROGRAM, {"tools", "local"}),
    "tools": (sorted((ROOT / "tools").rglob("*.py")), {"components", "local"}),
    "local": (sorted((ROOT / "local").rglob("*.py")), {"components", "tools"}),
}
# Whatever the program imports beyond these, a preview could wait for, fail on or change with.
PURE = {
    "base64", "collections", "dataclasses", "difflib", "enum", "functools", "ipaddress", "itertools", "json", "math",
    "operator", "pathlib", "re", "string", "textwrap", "types", "typing", "unicodedata",
}  # fmt: skip
PURE_PARTS = {"datetime": {"timedelta"}, "urllib": {"urlencode", "urlsplit", "quote"}}  # no clock, no urllib.request
THIRD_PARTY = {"pulumi", "pulumi_aws", "pydantic", "pydantic_core", "pysequoia", "yaml", "components"}
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


def calls(path):
    """Yield what a file calls, as `aws.iam.get_policy`."""
    return [ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


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


@pytest.mark.parametrize("path", PROGRAM, ids=name)
def test_the_program_looks_nothing_up(path):
    lookups = [call for call in calls(path) if call.startswith("aws.") and call.split(".")[-1].startswith("get")]
    assert lookups == []
    assert not [call for call in calls(path) if "invoke" in call.lower()]


def test_only_one_module_reads_the_configuration():
    sources = {"pulumi.Config", "pulumi.runtime.get_config", "pulumi.runtime.get_config_env", "os.environ", "os.getenv"}
    for path in PROGRAM:
        readers = [
            module
            for module, imported in imports(path)
            if (module.startswith("pulumi") and "config" in module) or imported in ("CONFIG", "Config")
        ]
        attributes = (ast.unparse(node) for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute))
        readers += [attribute for attribute in attributes if attribute in sources - EXCEPTIONS.get(name(path), set())]
        if path.name == "configuration.py":
            assert readers, "this test no longer sees how the configuration is read"
        else:
            assert readers == [], name(path)


def test_the_entry_point_is_short():
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 40


def test_each_component_registers_its_outputs_once_and_last():
    components = [
        (path, node)
        for path in PROGRAM
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and "pulumi.ComponentResource" in map(ast.unparse, node.bases)
    ]
    assert len(components) >= 3
    for path, component in components:
        text = ast.unparse(component)
        (constructor,) = [each for each in component.body if getattr(each, "name", "") == "__init__"]
        assert text.count("self.register_outputs(") == 1, name(path)
        assert ast.unparse(constructor.body[-1]).startswith("self.register_outputs("), name(path)
        assert f"'assume-role:index:{component.name}'" in ast.unparse(constructor.body[0]), name(path)


@pytest.mark.parametrize("path", PROGRAM, ids=name)
def test_no_attachment_that_takes_a_policy_from_everybody_else(path):
    assert not {"aws.iam.PolicyAttachment", "aws.iam.RolePolicyAttachmentsExclusive"} & set(calls(path))
    arguments = {word.arg for node in ast.walk(tree(path)) if isinstance(node, ast.Call) for word in node.keywords}
    assert not arguments & {"managed_policy_arns", "inline_policies"}
