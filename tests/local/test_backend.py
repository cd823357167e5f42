"""A killed run or a full disk leaves files and locks in the file backend: the next command goes on."""

import json
import shutil
import signal
import subprocess
from contextlib import contextmanager

import psutil
import pytest

from local.checkout import Checkout

OTHER_NAMESPACE = ("unshare", "--map-root-user", "--pid", "--fork", "--mount-proc")
needs_namespaces = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*OTHER_NAMESPACE, "true"], capture_output=True).returncode != 0,  # noqa: PLW1510
    reason="this system gives nobody a process namespace (unshare --map-root-user --pid --fork --mount-proc)",
)
STATE, HISTORY = "stacks/assume-role/test.json", "history/assume-role/test/test-1.history.json"
LOCKS = "locks/organization/assume-role/test"
BROKEN = ("meta.yaml", HISTORY, f"{LOCKS}/0123.json")


def backend(project):
    return project.path / ".local/stacks/.pulumi"


class TestFiles:
    """Files that are empty or cut off stop the CLI: "failed to load checkpoint: EOF", "corrupt store"."""

    @pytest.mark.parametrize("content", ["", '{"pid":'], ids=["empty", "cut off"])
    def test_are_recovered(self, deployed, content):
        whole = (backend(deployed) / "meta.yaml").read_text()
        for name in (*BROKEN, *(f"{name}.18eb0d20.tmp" for name in (*BROKEN, STATE))):
            file = backend(deployed) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)

        deployed.run("make", "-s", "env", "STACK=test")

        deployed.preview("--expect-no-changes")
        assert deployed.pulumi("stack", "history", "--json").stdout == "[]\n"
        files = {file.relative_to(backend(deployed)).as_posix() for file in backend(deployed).rglob("*.*")}
        assert files - {f"{STATE}.bak"} == {STATE, "meta.yaml"}
        assert (backend(deployed) / "meta.yaml").read_text() == whole

    def test_nothing_is_left_to_be_cut_off_beside_a_file(self, deployed):
        assert list(backend(deployed).rglob("*.json"))
        assert list(backend(deployed).rglob("*.attrs")) == []

    def test_a_run_at_work_keeps_its_temporary_files(self, project, wait_until):
        with at_work(project, wait_until):
            temporary = backend(project) / f"{STATE}.18eb0d20.tmp"
            temporary.touch()

            project.run("make", "-s", "env", "STACK=test")

            assert temporary.exists()

    def test_a_run_that_could_not_be_marked_keeps_its_temporary_files(self, project, wait_until):
        """The disk may be full; here no file may grow. Its lock shows that it is at work."""
        cli, temporary = project.path / ".local/pulumi", backend(project) / f"{STATE}.18eb0d20.tmp"
        cli.unlink()
        cli.symlink_to("/bin/sleep")
        with subprocess.Popen(["bash", "-c", "ulimit -f 0; exec .local/bin/pulumi 60"], cwd=project.path) as process:
            wait_until(lambda: psutil.Process(process.pid).cmdline() == ["pulumi", "60"])
            temporary.touch()

            project.run("make", "-s", "env", "STACK=test")

            assert temporary.exists()
            process.kill()


@contextmanager
def at_work(project, wait_until):
    """Run a `pulumi up` whose program waits, so that it holds the lock of the stack until it is killed."""
    (project.path / "__main__.py").write_text("import time\ntime.sleep(60)")
    process = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--stack", "test"],
        cwd=project.path,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: locks(project))
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def locks(project):
    return list((backend(project) / LOCKS).glob("*.json"))


class TestLocks:
    def test_of_a_killed_run_goes_and_one_whose_holder_is_not_known_stays(self, project, wait_until):
        with at_work(project, wait_until) as run:
            pass
        (lock,) = locks(project)
        text, runs = lock.read_text(), Checkout(project.path).runs
        marks = runs.read_bytes()
        for changed in ({"hostname": "another"}, {"pid": 1}, {"pid": 4_000_000}):
            lock.write_text(json.dumps(json.loads(text) | changed))
            runs.write_bytes(marks)
            done = project.run("make", "-s", "env", "STACK=test")
            assert "pulumi cancel --yes --stack test" in done.stderr
            assert locks(project) == [lock]
        lock.with_name(f"{lock.name}.attrs").write_text('{"md5": null}')  # the CLI of an earlier version wrote it
        lock.write_text(text)
        runs.write_bytes(marks)

        done = project.run("make", "-s", "env", "STACK=test")

        assert f"process {run.pid}, since " in done.stderr
        assert "was killed: its lock was removed." in done.stderr
        assert locks(project) == []
        lock.write_text(text)  # as of a run that marked nothing, of a `pulumi` beside ours, which has the same id
        assert "pulumi cancel --yes --stack test" in project.run("make", "-s", "env", "STACK=test").stderr
        assert locks(project) == [lock]

    def test_of_a_run_at_work_stays(self, project, wait_until):
        with at_work(project, wait_until) as run:
            done = project.run("make", "-s", "env", "STACK=test")

            assert f"process {run.pid}, since " in done.stderr
            assert "pulumi cancel --yes --stack test" in done.stderr
            assert len(locks(project)) == 1

    @needs_namespaces
    def test_of_a_run_in_another_process_namespace_stays(self, project, wait_until):
        """No process of this id is there, and the host is the same."""
        with at_work(project, wait_until):
            done = project.run(*OTHER_NAMESPACE, "make", "-s", "env", "STACK=test")

            assert "pulumi cancel --yes --stack test" in done.stderr
            assert len(locks(project)) == 1
