import re

import pytest

from components.stack_readme import stack_readme

STORE = {"secretStore": {"kind": "secretsmanager", "name": "key"}}


def placeholders(text):
    return set(re.findall(r"\$\{outputs\.(\w+)\}", text))


@pytest.mark.parametrize("config", [{}, STORE, {"accessKeys": [{"label": "1", "status": "Inactive"}]}])
def test_every_placeholder_is_an_output_and_no_secret(run_program, config):
    outputs = run_program(**config).outputs
    text = stack_readme("prod", outputs.keys() - {"readme"}, emulated=False)

    assert {"roleArn", "userArn"} <= placeholders(text) <= outputs.keys()
    assert not [name for name in placeholders(text) if outputs[name].secret]


def test_says_only_what_is_there():
    text = stack_readme("prod", {"roleArn", "userArn", "roleName", "userName"}, emulated=False)

    assert placeholders(text) == {"roleArn", "userArn", "roleName", "userName"}
    assert "make profile" not in text


def test_names_the_stack_in_each_command():
    text = stack_readme("prod", {"awsConfig"}, emulated=False)

    assert text.count("make ") == text.count("STACK=prod") == 4
    assert "--profile assume-role-prod" in text


def test_says_that_an_emulator_is_no_aws():
    assert "pretend" in stack_readme("dev", (), emulated=True)
    assert "pretend" not in stack_readme("prod", (), emulated=False)
