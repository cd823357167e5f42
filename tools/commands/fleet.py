"""`python -m tools fleet COMMAND --stacks PATTERN`: one command on many stacks, side by side.

Each stack has a process of its own, whose output goes to ``.local/fleet/NAME.log``.
"""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from components.iam import NAMESPACE, Side
from components.iam.arns import DEFAULT_REGION
from components.iam.names import default_names
from local import LocalError
from tools.console import Exit, StackError, ToolError, complain, say
from tools.environment import CHECKOUT, is_emulated, stacks
from tools.proof.report import LOCAL_FOLDER, proof_file, read_proof
from tools.stack import managed_sides

LOGS: Final = LOCAL_FOLDER / "fleet"
ACTIONS: Final = ("preview", "up", "verify", "rotate")
ASKING: Final[Mapping[str, str]] = {  # and what to do first
    "rotate": "ARGS=--until-hand-over then stops while both keys work.",
    "up": "See first what it would change: make fleet COMMAND=preview.",
}
LAST_LINES: Final = 12  # of the log of a stack that failed
HEADINGS: Final = ("stack", "accounts", "state", "proof", "key age")
STATES: Final[Mapping[Exit, str]] = {  # the one that counts most comes first
    Exit.FAILED: "failed",
    Exit.CANNOT_TELL: "could not tell",
    Exit.UNFINISHED: "not finished",
    Exit.DONE: "done",
}
CHANGES: Final = re.compile(r"^ {4}\S+ (\d+ to .+)$", re.MULTILINE)  # in Pulumi's summary: `    + 13 to create`


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("action", choices=ACTIONS, metavar="COMMAND", help=f"what to run: {', '.join(ACTIONS)}")
    parser.add_argument("--stacks", required=True, metavar="PATTERN", help="names, as in a shell: 'customer-*'")
    parser.add_argument("--jobs", type=jobs, default=os.cpu_count() or 1, help="how many at once (one a core)")
    parser.add_argument("--yes", action="store_true", help="answer yes to what the command asks, for every stack")
    parser.add_argument(
        "--args", type=words, default="", metavar="ARGS", help="further arguments of the command, in one text"
    )


def jobs(text: str) -> int:
    """Return how many stacks may run at once; argparse shows the name of this function."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give 1 or more")
    return number


def words(text: str) -> list[str]:
    """Return a text as a shell splits it."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}. Close each quote") from None


@dataclass
class Run:
    """The command of one stack."""

    stack: str
    process: subprocess.Popen[bytes] | None = None
    state: str = "not begun"
    code: Exit = Exit.UNFINISHED

    @property
    def log(self) -> Path:
        """The file with the output of the command."""
        return LOGS / f"{self.stack}.log"

    @property
    def output(self) -> str:
        """The output of the command."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def work(self, options: argparse.Namespace, stopped: threading.Event) -> None:
        """Run the command, unless the fleet is stopped, and report its end."""
        if stopped.is_set():
            return
        command = [sys.executable, "-m", "tools", options.action, f"--stack={self.stack}"]
        if options.action == "verify":
            command.append(f"--save={proof_file(self.stack)}")
        if options.yes and options.action in ASKING:
            command.append("--yes")
        command += options.args
        began = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=CHECKOUT.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            code = self.process.wait()
        self.code = Exit(code) if code in STATES else Exit.FAILED
        if code and stopped.is_set():
            self.code = Exit.UNFINISHED
        changes = CHANGES.findall(self.output) if options.action == "preview" else []
        self.state = ", ".join([STATES[self.code], *changes, f"{time.monotonic() - began:.0f} s"])
        complain(f"{self.stack}: {self.state}")

    def explain(self) -> None:
        """Print the end of the output of a command that did not succeed."""
        if self.process and self.code is not Exit.DONE:
            lines = [line.expandtabs() for line in self.output.splitlines() if line.strip()]
            last = ["".join(each if each.isprintable() else "?" for each in line) for line in lines[-LAST_LINES:]]
            complain(f"\n{self.stack}: the last of .local/fleet/{self.log.name}", *(f"  {line}" for line in last))


def run(options: argparse.Namespace) -> Exit:
    """Run the command on every stack, and return the exit code of all together."""
    runs = [Run(stack) for stack in stacks(options.stacks)]
    if not runs:
        raise StackError(
            f"No Pulumi.NAME.yaml has a name that matches {options.stacks!r}. Give a pattern in quotes, as in: "
            "make fleet STACKS='customer-*'"
        )
    refuse_to_ask([each.stack for each in runs], options)
    if options.action in ("preview", "up"):
        refuse_equal_names([each.stack for each in runs])
    LOGS.mkdir(mode=0o700, parents=True, exist_ok=True)  # the arguments may ask for secrets
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()
        for process in [each.process for each in runs if each.process]:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C: the engine finishes the resource at hand

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with ThreadPoolExecutor(options.jobs) as pool:
        for future in [pool.submit(each.work, options, stopped) for each in runs]:
            future.result()
    say("", *table(runs, datetime.now(UTC)))
    for each in runs:
        each.explain()
    if stopped.is_set():
        raise KeyboardInterrupt
    return next(code for code in STATES if code in {each.code for each in runs})


def refuse_to_ask(names: Sequence[str], options: argparse.Namespace) -> None:
    """Raise ToolError where the command asks its user: many processes at once cannot."""
    asking = [name for name in names if options.action == "rotate" or not is_emulated(name)]
    if options.action in ASKING and asking and not options.yes:
        raise ToolError(
            f"`{options.action}` asks before it changes {', '.join(asking)}, and many at once cannot ask. "
            f"Nothing was done. Answer for all of them with YES=1 (--yes). {ASKING[options.action]}"
        )


def refuse_equal_names(names: Sequence[str]) -> None:
    """Raise ToolError where two stacks would create the same name in one account.

    IAM's names differ by more than upper and lower case:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-names
    """
    first: dict[tuple[str, ...], tuple[str, str]] = {}
    for stack in names:
        for setting, endpoint, account, kind, name in names_in_accounts(stack):
            other, others = first.setdefault((endpoint, account, kind, name.casefold()), (stack, setting))
            if other != stack:
                raise ToolError(
                    f"Stacks {other} and {stack} would both create the {kind} {name} in account {account}. Nothing was "
                    f"done. Set another `{NAMESPACE}:{others}` in Pulumi.{other}.yaml, or another "
                    f"`{NAMESPACE}:{setting}` in Pulumi.{stack}.yaml. Choose the stack that is not deployed yet: a new "
                    "name replaces the role and the user."
                )


def names_in_accounts(stack: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the setting, emulator, account, kind and name of each named resource that a stack creates."""
    try:
        config = CHECKOUT.config(stack)
    except LocalError:
        return  # the stack's own process reports it

    def value(path: str) -> str:
        inner: Any = config
        for key in path.split("."):
            inner = cast("dict[str, Any]", inner).get(key) if isinstance(inner, dict) else None
        return str(inner or "")

    def named(side: Side, kind: str, setting: str, default: str = "") -> tuple[str, str, str, str, str]:
        account, name = value(f"{side}.accountId"), value(setting)
        return (setting if name else "name"), value("endpoint").rstrip("/"), account, kind, name or default

    defaults = default_names(config.get("name"))
    if "trusting" in managed_sides(config):
        yield named("trusting", "role", "role.name", defaults.role)
        if value("role.policy") or not value("role.managedPolicies"):
            yield named("trusting", "policy", "role.policy.name", defaults.role_policy)
    if "trusted" in managed_sides(config):
        yield named("trusted", "user", "user.name", defaults.user)
        yield named("trusted", "policy", "user.policyName", defaults.user_policy)
    if value("secretStore.name"):  # a service has a name once in each region
        region = value("trusted.region") or DEFAULT_REGION
        yield named("trusted", f"{value('secretStore.kind')} entry in {region}", "secretStore.name")


def table(runs: Sequence[Run], now: datetime) -> list[str]:
    """Return the lines of the final table."""
    rows = [HEADINGS, *(row(each.stack, each.state, now) for each in runs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in rows]


def row(stack: str, state: str, now: datetime) -> tuple[str, ...]:
    """Return the cells of a stack, one for each of HEADINGS: of its keys the age of the oldest active one."""
    accounts = "emulated" if is_emulated(stack) else "real"
    try:
        proof = read_proof(proof_file(stack), stack)
    except StackError:
        return stack, accounts, state, "none", "not known"
    keys = sorted((key for key in proof.keys if key.deployed == "Active"), key=lambda key: key.created or proof.time)
    return stack, accounts, state, f"{proof.verdict}, {proof.when}", keys[0].age(now) if keys else "not known"
