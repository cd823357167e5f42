"""The one command line of the tools, and the one table from errors to sentences and exit codes."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from tests.conftest import ROOT
from tools.__main__ import main, parse
from tools.console import Exit, FailedError, StackError, UnfinishedError, agreed, sentence
from tools.engine import preview
from tools.make import run, take_arguments

DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (StackError("It is not there."), Exit.CANNOT_TELL, "It is not there."),
        (FailedError("It failed."), Exit.FAILED, "It failed."),
        (UnfinishedError("It waits."), Exit.UNFINISHED, "It waits."),
        (KeyboardInterrupt(), Exit.UNFINISHED, "Interrupted. Run the same again"),
        (DENIED, Exit.CANNOT_TELL, "AWS did not do it: An error occurred (AccessDenied)"),
        (OSError(28, "No space left on device", "/some/file"), Exit.FAILED, "/some/file No space left on device."),
        # As of a file that a container mounts by itself, in whose place no other can be put.
        (OSError(16, "Busy", "/temporary", None, "/some/file"), Exit.FAILED, "do it: /some/file Busy."),
    ],
)
def test_each_error_is_a_sentence_and_an_exit_code(error, code, words):
    text, found = sentence(error)
    assert (found, words in text) == (code, True)


def test_what_is_no_message_is_raised_again():
    with pytest.raises(ZeroDivisionError):
        sentence(ZeroDivisionError())


def test_an_error_of_a_command_is_printed_and_returned(capsys, monkeypatch):
    def fail(_):
        raise FailedError("Nothing works.")

    monkeypatch.setattr("tools.commands.verify.run", fail)
    assert main(["verify", "--stack", "any"]) == 1
    assert capsys.readouterr().err == "error: Nothing works.\n"


def test_a_missing_package_is_a_sentence_that_names_the_list():
    """As after a plain `pulumi install`, which installs what the program needs alone."""
    missing = "import sys; sys.modules.update(dict.fromkeys(['boto3', 'botocore', 'rich', 'ministack']))"
    run = f"{missing}; from tools.__main__ import main; sys.exit(main(['verify', '--stack', 'dev']))"
    done = subprocess.run([sys.executable, "-c", run], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == Exit.CANNOT_TELL
    assert done.stderr.startswith("error: The Python package botocore is missing.")
    assert done.stderr.endswith(" -m pip install -r requirements-tools.txt\n")


def test_arguments_of_pulumi_are_passed_on_as_they_are():
    words = ["--target", "urn$a", "-c", "key=a b", "--yes", "--stack=second"]
    options = parse(["up", "--stack=first", *words])
    assert (options.stack, options.yes, options.arguments) == ("second", True, ["--target", "urn$a", "-c", "key=a b"])
    with pytest.raises(SystemExit):
        parse(["verify", "--stack=first", "--target", "urn"])


@pytest.mark.parametrize(
    ("command", "variables", "words"),
    [
        ("up", {"STACK": "a", "YES": "1", "ARGS": "--diff '$a b'"}, ["up", "--stack=a", "--yes", "--diff", "$a b"]),
        ("up", {"JSON": "1", "ARGS": "a\nb"}, ["up", "--stack=dev", "a", "b"]),
        ("outputs", {"JSON": "1", "YES": "1"}, ["outputs", "--stack=dev", "--json"]),
        ("diagram", {"OUTPUT": "a b; $(c)"}, ["diagram", "--stack=dev", "--output=a b; $(c)"]),
        ("verify", {"STACK": "-x"}, ["verify", "--stack=-x", "--save=.local/proof--x.json"]),
        ("fleet", {"STACKS": "$(c) '"}, ["fleet", "preview", "--stacks=$(c) '", "--args="]),
        (
            "fleet",
            {"COMMAND": "up", "JOBS": "2", "ARGS": "a 'b", "YES": "1"},
            ["fleet", "up", "--stacks=*", "--yes", "--jobs=2", "--args=a 'b"],
        ),
    ],
)
def test_variables_of_make_are_arguments(command, variables, words):
    environment = variables | {"MAKEFLAGS": "x", "MAKELEVEL": "1", "PATH": "/bin"}
    assert take_arguments(command, environment) == words
    assert environment == {"PATH": "/bin"}


def test_an_open_quote_in_the_arguments_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setenv("ARGS", "--name 'a")
    assert run("verify") == Exit.CANNOT_TELL
    assert capsys.readouterr().err.startswith("error: ARGS cannot be split into arguments: No closing quotation.")


def test_what_is_not_finished_is_no_failure(monkeypatch, capsys):
    monkeypatch.setattr("tools.make.main", lambda _: Exit.UNFINISHED)
    assert run("rotate") == Exit.UNFINISHED
    assert "This is no failure" in capsys.readouterr().err


def test_why_a_run_of_the_engine_failed_is_said_whatever_the_cli_warns_of(tmp_path, monkeypatch):
    diagnostics = [
        {"message": "error: no emulator answers\n", "severity": "error"},
        {"message": "warning: an old provider\n", "severity": "warning"},
        {"message": "1 setting is wrong\n", "severity": "info#err"},
    ]
    cli = tmp_path / "pulumi"
    document = json.dumps({"steps": [], "diagnostics": diagnostics})
    cli.write_text(f"#!/bin/sh\ncat <<'END'\n{document}\nEND\necho warning: a host on PATH >&2\nexit 255\n")
    cli.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(StackError) as failure:
        preview("x")
    assert str(failure.value) == "`pulumi preview --json --stack x` failed: no emulator answers\n1 setting is wrong"


# How commands ask


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
