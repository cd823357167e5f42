"""`python -m local COMMAND`: runs commands where plain ``pulumi`` works, with or without a cloud.

A stack with ``endpoint`` gets the embedded AWS and all that it needs; a stack without gets the user's own environment.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from local import LocalError
from local.checkout import Checkout
from local.cli import find_cli
from local.console import say
from local.emulator import stop
from local.environment import additions, prepare

# Arguments of Pulumi that lead to another configuration, stack or project than those that were looked at.
ELSEWHERE = re.compile(r"--(config|stack|cwd)|-\w*[csC]")


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status; 1 where this machine could not be made ready."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a command: python -m local run --stack NAME -- COMMAND ...")
    run.add_argument("words", nargs="+", metavar="COMMAND")
    up = commands.add_parser("up", help="run `pulumi up`, asking only about real accounts")
    destroy = commands.add_parser("destroy", help="run `pulumi destroy`, asking only about real accounts")
    for command in (up, destroy):
        command.add_argument("--yes", action="store_true", help="do not ask about real accounts either")
        command.add_argument("words", nargs="*", metavar="ARGUMENT", help="for pulumi: -- ARGUMENT ...")
    shell = commands.add_parser("shell", help="start a shell")
    env = commands.add_parser("env", help="print the environment as export lines")
    for command in (run, up, destroy, shell, env):
        command.add_argument("--stack", default="dev", help="name of the stack (default: dev)")
    commands.add_parser("setup", help="find, download or build the Pulumi CLI, and print where it is")
    commands.add_parser("down", help="stop the embedded AWS")
    options = parser.parse_args(arguments)
    checkout = Checkout(Path(__file__).resolve().parent.parent)
    try:
        return _obey(checkout, options)
    except LocalError as error:
        say(f"error: {error}")
        return 1
    except OSError as error:
        say(
            f"error: This machine could not be made ready: {error}. Is the disk full, or {checkout.root} read-only? "
            "Put that right, then try again."
        )
        return 1
    except KeyboardInterrupt:
        say("Interrupted. Run the same command again: it goes on where it stopped.")
        return 130


def _obey(checkout: Checkout, options: argparse.Namespace) -> int:
    match options.command:
        case "run":
            return _run(checkout, options.stack, options.words)
        case "up" | "destroy":
            pretend = checkout.endpoint(options.stack) is not None
            flags = unasked(options.command, options.words, pretend=pretend, yes=options.yes)
            words = ["pulumi", options.command, "--stack", options.stack, *flags, *options.words]
            return _run(checkout, options.stack, words)
        case "shell":
            return _shell(checkout, options.stack)
        case "env":
            return _print_environment(checkout, options.stack)
        case "setup":
            say(f"Pulumi CLI: {find_cli(checkout, os.environ)}")
            return 0
        case _:
            stopped = stop(checkout)
            say("Stopped the embedded AWS; its state is kept." if stopped else "No embedded AWS of this checkout runs.")
            return 0


def unasked(command: str, arguments: list[str], *, pretend: bool, yes: bool) -> list[str]:
    """Return the flags with which Pulumi asks nobody before `up` or `destroy`: none where somebody must be asked.

    Args:
        command: `up` or `destroy`.
        arguments: what the user gives Pulumi besides.
        pretend: whether the stack's accounts are.
        yes: whether the user said yes already.
    """
    pretend = pretend and not any(map(ELSEWHERE.match, arguments))
    if not (pretend or yes):
        return []
    # What pretend accounts lost with the emulator is made again.
    return ["--yes", "--skip-preview", *(["--refresh"] if pretend and command == "up" else [])]


def _environment(checkout: Checkout, stack: str) -> dict[str, str]:
    """Return the environment for commands on ``stack``."""
    endpoint = checkout.endpoint(stack)
    if endpoint:
        return prepare(checkout, stack, endpoint, os.environ)
    if os.environ.get("PULUMI_HOME") == str(checkout.pulumi_home):
        raise LocalError(
            f"Stack {stack} has no endpoint on this machine, so it is for real AWS, and this shell is set up for "
            "stacks that have one. Leave it (exit), then try again."
        )
    if shutil.which("pulumi") is None:
        raise LocalError(
            f"Stack {stack} has no endpoint on this machine, so it is for real AWS and needs your own Pulumi CLI, and "
            "there is none on PATH. Install it: https://www.pulumi.com/docs/install"
        )
    return dict(os.environ)


def _run(checkout: Checkout, stack: str, words: list[str]) -> int:
    environment = _environment(checkout, stack)
    program = shutil.which(words[0], path=environment["PATH"])
    if program is None:
        raise LocalError(f"There is no command {words[0]!r} on PATH.")
    sys.stderr.flush()
    os.execve(program, words, environment)  # signals and the terminal are the command's own from here on  # noqa: S606


def _shell(checkout: Checkout, stack: str) -> int:
    environment = _environment(checkout, stack)
    _select(checkout, stack, environment)
    say(f"Plain `pulumi` works on stack {stack} here. Leave with: exit")
    program = environment.get("SHELL") or "/bin/sh"
    return subprocess.run([program], env=environment, cwd=checkout.root, check=False).returncode


def _print_environment(checkout: Checkout, stack: str) -> int:
    environment = _environment(checkout, stack)
    _select(checkout, stack, environment)
    names = additions(checkout, os.environ) if checkout.endpoint(stack) else {}
    for name in names:
        sys.stdout.write(f"export {name}={shlex.quote(environment[name])}\n")
    return 0


def _select(checkout: Checkout, stack: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["pulumi", "stack", "select", stack, "--non-interactive"],
        env=environment,
        cwd=checkout.root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LocalError(f"Stack {stack} cannot be selected: {done.stderr.strip().removeprefix('error: ')}")


if __name__ == "__main__":
    sys.exit(main())
