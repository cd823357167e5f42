"""The one command line of the tools, and the one table from errors to sentences and exit codes."""

import json
import os

import pytest
from botocore.exceptions import ClientError

from tools import __main__ as command_line
from tools.__main__ import main, sentence
from tools.engine import preview
from tools.errors import Exit, FailedError, StackError, UnfinishedError

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
    ],
)
def test_each_error_is_a_sentence_and_an_exit_code(error, code, words):
    text, found = sentence(error)
    assert (found, words in text) == (code, True)


def test_what_is_no_message_is_raised_again():
    with pytest.raises(ZeroDivisionError):
        sentence(ZeroDivisionError())


def test_an_error_of_a_command_is_printed_and_returned(capsys, monkeypatch):
    class Broken:
        @staticmethod
        def add_arguments(_):
            """Take none."""

        @staticmethod
        def run(_):
            raise FailedError("Nothing works.")

    monkeypatch.setattr(command_line, "import_module", lambda _: Broken)
    assert main(["verify", "--stack", "any"]) == 1
    assert capsys.readouterr().err == "error: Nothing works.\n"


def test_why_a_run_of_the_engine_failed_is_said_without_the_document_that_it_printed(tmp_path, monkeypatch):
    diagnostics = [
        {"message": "error: no emulator answers\n", "severity": "error"},
        {"message": "warning: an old provider\n", "severity": "warning"},
        {"message": "1 setting is wrong\n", "severity": "info#err"},
    ]
    cli = tmp_path / "pulumi"
    cli.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps({'steps': [], 'diagnostics': diagnostics})}\nEND\nexit 255\n")
    cli.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(StackError) as failure:
        preview("x")
    assert str(failure.value) == "`pulumi preview --json --stack x` failed: no emulator answers\n1 setting is wrong"
