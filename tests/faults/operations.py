"""What is done to a relationship while AWS fails, and what a user does next."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Project

STACK = "STACK=test"
UP = ("make", "up", STACK)
DESTROY = ("make", "destroy", STACK)
PULUMI_UP = ("pulumi", "up", "--yes", "--skip-preview", "--stack", "test")
RUN_SECONDS = 180.0  # of a command; the slowest waits twice for an answer that comes too late
TELLING = ("error", "disproven", "could not tell", "Traceback", "warning", "panic")  # how lines begin that say why
CHANGED_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:ListAllMyBuckets", "s3:GetObject"], "Resource": "*"}],
}
CHANGES = {
    "role": {"description": "changed", "maxSessionDuration": 7200, "policy": {"file": "policies/changed.json"}},
    "tags": {"team": "a"},
    "accessKeys": [{"label": "1", "status": "Active"}, {"label": "2", "status": "Active"}],
}


@dataclass(frozen=True)
class Operation:
    """A command of a user, on a stack that is in a certain state."""

    name: str
    command: tuple[str, ...]
    remedy: tuple[str, ...] = UP  # what the user does after it went wrong
    stands: bool = True  # the stack is deployed before
    changed: bool = False  # its settings were changed after that

    def configure(self, project: Project, endpoint: str) -> None:
        """Make a project ready, whose AWS is at an endpoint from now on: it always was, as far as its state says."""
        (project.path / "policies/changed.json").write_text(json.dumps(CHANGED_POLICY))
        if "assume-role:endpoint" in project.config():
            project.configure({"endpoint": endpoint})
            project.state_file.write_text(project.state().replace(project.endpoint, endpoint))
        elif self.stands:
            project.up()
        project.configure(CHANGES if self.changed else {})


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("preview", ("make", "preview", STACK), stands=False),
        Operation("up", UP, stands=False),
        Operation("update", UP, changed=True),
        # Without make. The second run has to refresh: see docs/troubleshooting.md, after a refused update.
        Operation("plain update", PULUMI_UP, remedy=(*PULUMI_UP, "--refresh"), changed=True),
        Operation("refresh", ("pulumi", "refresh", "--yes", "--skip-preview", "--stack", "test")),
        Operation("destroy", DESTROY, remedy=DESTROY),
    )
}


@dataclass(frozen=True)
class Done:
    """A command that ended, or was ended because it took too long."""

    command: tuple[str, ...]
    status: int | None  # None: it took too long
    said: str

    @property
    def went_well(self) -> bool:
        return self.status == 0

    @property
    def has_proven(self) -> bool:
        return self.went_well and "Stack test is proven" in self.said

    def __str__(self) -> str:
        """Return what it was, how it ended, and the lines that say why."""
        ended = "took too long" if self.status is None else f"gave {self.status}"
        lines = [line.strip() for line in self.said.splitlines()]
        telling = dict.fromkeys(line[:400] for line in lines if line.startswith(TELLING))
        return "\n      ".join([f"{' '.join(self.command)} {ended}", *list(telling)[:5]])


def start(project: Project, *command: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        command,
        cwd=project.path,
        env=project.environment,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], command: tuple[str, ...]) -> Done:
    """Wait for a command and all that it started; end them if that takes too long."""
    try:
        said, _ = process.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        return Done(command, None, said)
    return Done(command, process.returncode, said)


def run(project: Project, *command: str) -> Done:
    """Run a command within a bound."""
    return finish(start(project, *command), command)


def run_on_a_terminal(project: Project, *command: str, answers: str) -> Done:
    """Run a command with a terminal as its standard input, on which a person has typed these answers."""
    person, terminal = pty.openpty()
    try:
        os.write(person, answers.encode())
        return finish(start(project, *command, stdin=terminal), command)
    finally:
        os.close(person)
        os.close(terminal)
