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


def test_an_exception_shows_the_programs_own_lines_once(project):
    replace_program(project, "def broken():\n    return {}['missing']\n\nbroken()\n")

    done = project.preview(check=False)

    assert done.returncode != 0
    diagnostics = done.stdout.partition("Diagnostics:")[2]
    assert diagnostics.count("KeyError: 'missing'") == 1
    assert '__main__.py", line 2, in broken' in done.stdout
    assert "runpy" not in done.stdout
    assert "language_host" not in done.stdout


def test_a_syntax_error(project):
    replace_program(project, "def broken(:\n")

    done = project.preview(check=False)

    assert done.returncode != 0
    assert "SyntaxError: invalid syntax" in done.stdout


def test_an_error_of_pulumis_own_kind_shows_its_message_alone(project):
    replace_program(project, "import pulumi\nraise pulumi.RunError('choose another region')")

    done = project.preview(check=False)

    assert done.returncode != 0
    assert "error: choose another region" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(("code", "succeeds"), [("0", True), ("3", False)])
def test_a_program_that_exits(project, code, succeeds):
    replace_program(project, f"import sys\nsys.exit({code})")

    done = project.preview(check=False)

    assert (done.returncode == 0) is succeeds
    if not succeeds:
        assert "the program exited with 3" in done.stdout


def test_a_failure_in_an_apply_fails_the_run(project):
    replace_program(project, "import pulumi\npulumi.export('x', pulumi.Output.from_input(1).apply(lambda v: v / 0))")

    done = project.preview(check=False)

    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stdout


def test_no_warning_about_ambient_plugins(project):
    assert "from $PATH" not in project.preview().stdout + project.preview().stderr


def test_ends_when_its_engine_was_killed(project, wait_until):
    """As a parent, a shell that is killed: it cannot tell anybody."""
    replace_program(
        project,
        "import os, time\nfrom pathlib import Path\nPath('pid').write_text(str(os.getpid()))\n"
        "Path('pid').rename('started')\ntime.sleep(600)",
    )
    with subprocess.Popen(
        ["pulumi", "preview", "--stack", "test", "--non-interactive"],
        cwd=project.path,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as engine:
        try:
            wait_until((project.path / "started").exists)
        finally:
            engine.kill()

    wait_until(lambda: not psutil.pid_exists(int((project.path / "started").read_text())))


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
