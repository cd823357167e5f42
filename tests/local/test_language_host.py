"""The stand-in language host: what a program does or raises reaches the user as with the official one."""

import signal
import subprocess
import sys
from pathlib import Path

import grpc
import psutil
import pytest
from pulumi.runtime.proto import language_pb2
from pulumi.runtime.proto.language_pb2_grpc import LanguageRuntimeStub

ROOT = Path(__file__).resolve().parents[2]


def replace_program(project, text):
    (project.path / "__main__.py").write_text(text)


@pytest.fixture(autouse=True)
def _stand_in(project):
    """These tests are about the stand-in; with an official CLI it is not there."""
    if not list((project.path / ".local/pulumi-home/plugins").glob("language-python-*")):
        pytest.skip("an official Pulumi CLI with its own language host is installed")


def test_a_program_that_prints_and_exports(project):
    replace_program(
        project,
        "import sys, pulumi\nprint('from', sys.argv[0])\nprint('to stderr', file=sys.stderr)\n"
        "import components.iam.arns\npulumi.export('stack', pulumi.get_stack())\n"
        "pulumi.export('ids', pulumi.Config().require_object('trusting'))",
    )

    done = project.up()

    assert "from" in done.stdout
    assert "to stderr" in done.stdout
    assert project.outputs() == {"stack": "test", "ids": {"accountId": project.accounts.trusting}}


@pytest.mark.parametrize(
    ("program", "says", "says_not"),
    [
        ("def broken():\n    return {}['missing']\n\nbroken()\n", '__main__.py", line 2, in broken', "runpy"),
        ("def broken(:\n", "SyntaxError: invalid syntax", "language_host"),
        ("import pulumi\nraise pulumi.RunError('choose another region')", "error: choose another region", "Traceback"),
        ("import sys\nsys.exit(3)", "the program exited with 3", "Traceback"),
        (
            "import pulumi\npulumi.export('x', pulumi.Output.from_input(1).apply(lambda v: v / 0))",
            "ZeroDivision",
            "runpy",
        ),
    ],
)
def test_a_program_that_fails_is_reported_once(project, program, says, says_not):
    replace_program(project, program)

    done = project.preview(check=False)

    assert done.returncode != 0
    assert done.stdout.partition("Diagnostics:")[2].count(says) == 1
    assert says_not not in done.stdout


def test_a_program_that_exits_with_0_succeeds_without_a_warning_about_plugins(project):
    replace_program(project, "import sys\nsys.exit(0)")

    done = project.preview()

    assert "from $PATH" not in done.stdout + done.stderr


def test_a_plugin_that_it_runs_ends_with_it(tmp_path, wait_until):
    """A policy pack, say: it is asked to end by a signal, so it must not inherit that signals wait."""
    (tmp_path / "__main__.py").write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
    command = [sys.executable, "-m", "local.plugins.language_host", "127.0.0.1:1"]
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as host,
        grpc.insecure_channel(f"127.0.0.1:{host.stdout.readline().strip()}") as channel,
    ):
        request = language_pb2.RunPluginRequest(
            pwd=str(tmp_path), info=language_pb2.ProgramInfo(program_directory=str(tmp_path))
        )
        plugin = int(next(LanguageRuntimeStub(channel).RunPlugin(request)).stdout)
        host.send_signal(signal.SIGINT)
        assert host.wait() == 0
    wait_until(lambda: not psutil.pid_exists(plugin))
