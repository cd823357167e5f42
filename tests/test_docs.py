"""The documentation, checked both ways: what exists is documented, and what is documented exists."""

import contextlib
import functools
import io
import json
import re
import runpy
from pathlib import Path
from typing import get_args

import pysequoia
import pytest
import yaml
from pydantic import BaseModel

from components.configuration import Settings
from tests.components.conftest import ACCOUNTS, EVERYTHING, record
from tools.__main__ import COMMANDS, PASSING_ON, main
from tools.console import Exit

ROOT = Path(__file__).resolve().parent.parent
DOCS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in [*DOCS, *sorted(ROOT.glob("[A-Z]*.md"))]}
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
SIDES = ("trusting", "trusted")


# What the pages say


def tables(page, first):
    """Return the rows of a page's tables whose first column is called ``first``, as lists of cells."""
    rows, inside = [], False
    for line in PAGES[page].splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not line.startswith("|"):
            inside = False
        elif inside:
            rows.append(cells)
        else:
            inside = cells[0] == first
    return [cells for cells in rows if not set(cells[0]) <= set("-")]


def code(cell):
    """Return the pieces of code in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def first_column(page, first):
    names = [name for cells in tables(page, first) for name in code(cells[0])]
    assert names
    assert len(set(names)) == len(names), "documented twice"
    return set(names)


def commands_shown():
    """Yield each piece of code on the pages as page and text: the lines of code blocks, and code in the text."""
    for page, text in PAGES.items():
        blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)
        yield from ((page, line) for block in blocks for line in block.replace("\\\n", " ").splitlines())
        yield from ((page, span) for span in code(re.sub(r"```.*?```", "", text, flags=re.DOTALL)))


def anchors(text):
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# What exists


@functools.cache
def options_of(command):
    """Return the options of a tool, as its help names them."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([command, "--help"])
    return set(re.findall(r"^ {2}(?:-\w, )?(--[a-z-]+)", printed.getvalue(), re.MULTILINE)) - {"--help", "--stack"}


def sections_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from sections_in(inner)


def fields_of(model, prefix=""):
    """Return every setting below a model, by key, as ``role.policy.name`` or ``accessKeys[].label``."""
    fields = {}
    for field in model.model_fields.values():
        key = f"{prefix}{field.alias}"
        inner = next(sections_in(field.annotation), None)
        is_list = re.search(r"\b(list|tuple)\[", str(field.annotation))
        if inner is None or is_list:
            fields[key] = field
        if inner is not None:
            fields |= fields_of(inner, f"{key}[]." if is_list else f"{key}.")
    return fields


@pytest.fixture(scope="module")
def settings():
    return fields_of(Settings)


# Both ways


def test_every_make_command():
    assert first_column("docs/commands.md", "command") == {f"make {target}" for target in TARGETS}


def test_every_make_variable():
    variables = re.search(r"^VARIABLES := (.*)$", MAKEFILE, re.MULTILINE)
    assert first_column("docs/commands.md", "variable") == {*variables[1].split(), "PYTHON"}


def test_every_option():
    documented = [
        (tool, option.split()[0])
        for cells in tables("docs/commands.md", "tool")
        for tool in code(cells[0])
        for option in code(cells[1])
    ]
    assert len(documented) == len(set(documented)), "documented twice"
    assert set(documented) == {(command, option) for command in COMMANDS for option in options_of(command)}


def test_every_exit_code():
    assert first_column("docs/commands.md", "exit code") == {str(int(code)) for code in Exit}


def test_every_setting_and_its_default(settings):
    assert first_column("docs/configuration.md", "key") == set(settings)
    for cells in tables("docs/configuration.md", "key"):
        for key in code(cells[0]):
            default = settings[key].default
            if settings[key].is_required():
                assert cells[2] == "required", key
            elif isinstance(default, bool):
                assert cells[2] == f"`{str(default).lower()}`", key
            elif isinstance(default, (str, int, Path)):
                assert cells[2] == f"`{default}`", key


def test_every_setting_is_declared_to_the_engine(settings):
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    declared = {key: value.get("description", "") for key, value in declared.items() if ":" not in key}
    assert set(declared) == {re.split(r"[.\[]", key)[0] for key in settings}
    for key in settings:
        top, *inner = re.split(r"\.|\[\]\.", key)
        assert [name for name in inner if not re.search(rf"\b{name}\b", declared[top])] == [], key


def test_every_output(tmp_path):
    reader = tmp_path / "reader.asc"
    reader.write_text(str(pysequoia.Tsk.generate(user_id="Reader <reader@example.com>").extract_certificate()))
    configurations = [
        {},
        EVERYTHING,
        {"pgpKeyFile": str(reader)},
        {"secretStore": {"kind": "secretsmanager", "name": "key"}},
    ]
    recorded = set()
    for configuration in configurations:
        run = record(lambda: runpy.run_path(str(ROOT / "__main__.py")), {**ACCOUNTS, **configuration})
        recorded |= set(run.outputs)
    assert first_column("docs/outputs.md", "output") == recorded | {"terms"}  # in the state, no output of the stack


def test_the_two_settings_for_temporary_credentials_make_a_role_and_no_user():
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGES["docs/when.md"], re.DOTALL)
    settings = {key.partition(":")[2]: value for key, value in yaml.safe_load(text).items()}
    run = record(lambda: runpy.run_path(str(ROOT / "__main__.py")), {**ACCOUNTS, **settings})
    (role,) = [each for each in run.resources if each.type == "aws:iam/role:Role"]
    assert settings["trust"]["principalArns"][0] in role.inputs["assumeRolePolicy"]
    assert [each.name for each in run.resources if "user" in each.name or "-key" in each.name] == []


@pytest.mark.parametrize("side", SIDES)
def test_every_permission_to_deploy_has_its_reason(side):
    rows = tables("docs/permissions.md", "action")
    documented = [action for cells in rows if cells[1] in (side, "both") for action in code(cells[0])]
    policy = json.loads((ROOT / f"policies/deploy-{side}.json").read_text())
    assert sorted(documented) == sorted(action for statement in policy["Statement"] for action in statement["Action"])
    assert all(cells[2] for cells in rows)


# Nothing that does not exist


def test_every_link_has_a_target():
    links = [(page, target) for page, text in PAGES.items() for target in re.findall(r"\]\(([^)]+)\)", text)]
    assert links
    for page, target in links:
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(file.read_text()), f"{page}: {target}"


def test_every_page_is_linked_from_the_readme():
    assert [page for page in PAGES if page != "README.md" and f"]({page})" not in PAGES["README.md"]] == []


def test_every_file_and_test_that_is_named_exists():
    path_or_test = r"(?<![\w./])((?:components|docs|examples|local|policies|tests|tools)/[\w./*-]+(?:::\w+)?)"
    named = {name for text in PAGES.values() for name in re.findall(path_or_test, text)}
    assert named
    for name in named:
        path, _, test = name.rstrip(".").partition("::")
        assert list(ROOT.glob(path)), name
        assert not test or f"def {test}(" in (ROOT / path).read_text(), name


def test_every_command_that_is_shown_exists():
    seen = set()
    for page, text in commands_shown():
        if page == "CHANGELOG.md":  # it names what is gone
            continue
        for target in re.findall(r"\bmake (?:-s )?([a-z]+)\b", text):
            seen.add(target)
            assert target in TARGETS or target == "mend", f"{page}: {text}"
            if target in set(COMMANDS) - PASSING_ON and (arguments := re.search(r'ARGS=("[^"]*"|\S+)', text)):
                assert set(re.findall(r"--[a-z-]+", arguments[1])) <= options_of(target), f"{page}: {text}"
        for tool, rest in re.findall(r"python -m tools ([a-z]+)(.*)", text):
            assert tool in COMMANDS, f"{page}: {text}"
            assert set(re.findall(r"--[a-z-]+", rest)) <= options_of(tool) | {"--stack"}, f"{page}: {text}"
    assert set(COMMANDS) - {"stacks"} <= seen


def test_the_supported_versions():
    (floor,) = re.findall(r'requiredPulumiVersion: ">=(\d+\.\d+)', (ROOT / "Pulumi.yaml").read_text())
    (built,) = re.findall(r"pulumi/pkg/v3 v(\d+\.\d+)", (ROOT / "local/cli_module/go.mod").read_text())
    assert f"| Pulumi | {floor} or newer | {built} |" in PAGES["README.md"]


def test_the_pages_are_short():
    assert len(PAGES["README.md"].splitlines()) <= 130
    assert sum(len(path.read_text().split()) for path in ROOT.glob("docs/*.md")) <= 8000
    assert len(MAKEFILE.splitlines()) <= 80
