"""`python -m local COMMAND`: makes ready what a stack with ``endpoint`` needs; `make` asks it before each command."""

import argparse
import fnmatch
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from local import LocalError
from local.checkout import Checkout
from local.cli import find_cli
from local.console import say
from local.emulator import stop
from local.environment import may_have_lost, prepare

# Arguments of Pulumi that lead to another configuration, stack or project than those that were looked at.
ELSEWHERE = re.compile(r"--(config|stack|cwd)|-\w*[csC]")


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status; 1 where this machine could not be made ready."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    env = commands.add_parser("env", help="make a stack's parts ready; print its environment for a shell to evaluate")
    env.add_argument("--stack", default="dev", help="name of the stack (default: dev)")
    env.add_argument("--flags", choices=("up", "destroy"), help="also set `flags`, with which `pulumi up` asks nobody")
    env.add_argument("--yes", action="store_true", help="ask nobody about real accounts either")
    env.add_argument("words", nargs="*", metavar="ARGUMENT", help="what Pulumi is given besides: -- ARGUMENT ...")
    stacks = commands.add_parser("stacks", help="print the stacks that have a file here, and whether they are pretend")
    stacks.add_argument("pattern", help="of their names, as the shell has them: customer-*")
    commands.add_parser("setup", help="find, download or build the Pulumi CLI, and print where it is")
    commands.add_parser("down", help="stop the embedded AWS")
    options = parser.parse_args(arguments)
    checkout = Checkout(Path(__file__).resolve().parent.parent)
    try:
        _obey(checkout, options)
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
    return 0


def _obey(checkout: Checkout, options: argparse.Namespace) -> None:
    match options.command:
        case "env":
            endpoint = checkout.endpoint(options.stack)
            if endpoint:
                sys.stdout.writelines(shell_lines(prepare(checkout, options.stack, endpoint, os.environ), os.environ))
            else:
                _look_at_users_own(checkout, options.stack)
            if options.flags:
                lost = (
                    endpoint is not None and options.flags == "up" and may_have_lost(checkout, options.stack, endpoint)
                )
                flags = unasked(options.words, pretend=endpoint is not None, yes=options.yes, lost=lost)
                sys.stdout.write(f"flags={shlex.quote(' '.join(flags))}\n")
        case "stacks":
            for stack in fnmatch.filter(checkout.stack_names, options.pattern):
                accounts = "pretend" if is_pretend(checkout, stack) else "real"
                sys.stdout.write(f"{stack}\t{accounts}\n")
        case "setup":
            say(f"Pulumi CLI: {find_cli(checkout, os.environ)}")
        case _:
            stopped = stop(checkout)
            say("Stopped the embedded AWS; its state is kept." if stopped else "No embedded AWS of this checkout runs.")


def is_pretend(checkout: Checkout, stack: str) -> bool:
    """Return whether a stack's accounts are those of an emulator; one whose file cannot be read counts as real."""
    try:
        return checkout.endpoint(stack) is not None
    except LocalError:
        return False


def unasked(arguments: list[str], *, pretend: bool, yes: bool, lost: bool) -> list[str]:
    """Return the flags with which Pulumi asks nobody before `up` or `destroy`: none where somebody must be asked.

    Args:
        arguments: what the user gives Pulumi besides.
        pretend: whether the stack's accounts are.
        yes: whether the user said yes already.
        lost: whether pretend accounts may have lost what the state holds, so that `up` is to look first.
    """
    pretend = pretend and not any(map(ELSEWHERE.match, arguments))
    if not (pretend or yes):
        return []
    return ["--yes", "--skip-preview", *(["--refresh"] if pretend and lost else [])]


def shell_lines(environment: Mapping[str, str], inherited: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines with which a shell turns the environment that it inherited into another one."""
    for name in sorted(inherited.keys() - environment.keys()):
        yield f"unset {shlex.quote(name)}\n"
    for name, value in environment.items():
        if value != inherited.get(name):
            yield f"export {name}={shlex.quote(value)}\n"


def _look_at_users_own(checkout: Checkout, stack: str) -> None:
    """Raise LocalError where the user's own environment, as it is, cannot run commands on a stack for real AWS."""
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


if __name__ == "__main__":
    sys.exit(main())
