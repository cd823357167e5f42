"""Which accounts a command acts on, emulated or real ones, and the environment that ``pulumi`` then needs."""

import fnmatch
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local import LocalError
from local.checkout import STACK_NAME, Checkout
from tools.console import ToolError

CHECKOUT: Final = Checkout(Path(__file__).resolve().parent.parent)
# Arguments of Pulumi that lead to another configuration, stack or project than those of the stack's file.
ELSEWHERE: Final = re.compile(r"--(config|stack|cwd)|-\w*[csC]")
# Pulumi takes its flags from the environment, too. These choose the stack, the folder or the configuration.
SELECTING: Final = re.compile(r"PULUMI_(STACK|OPTION_(STACK|CWD|CONFIG|CONFIG_FILE|CONFIG_PATH))")
NAMING_A_STACK: Final = ("PULUMI_STACK", "PULUMI_OPTION_STACK")


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """The accounts of a stack."""

    emulated: bool
    lost: bool = False  # the emulator was started anew, so it may have lost what the state holds


def is_emulated(stack: str) -> bool:
    """Return whether a stack's accounts are emulated: what a command asks before it changes them depends on this alone.

    A stack whose file cannot be parsed counts as real.
    """
    try:
        return CHECKOUT.endpoint(stack) is not None
    except LocalError:
        return False


def stacks(pattern: str) -> list[str]:
    """Return the names of the stacks that have a file here and match a shell's pattern, as ``customer-*``.

    Raises:
        ToolError: a file has a name that no stack can have. It may hold control characters.
    """
    names = fnmatch.filter(CHECKOUT.stack_names, pattern)
    if odd := [name for name in names if not STACK_NAME.fullmatch(name)]:
        raise ToolError(f"Pulumi allows no stack to be named {odd[0]!r}. Rename the file {f'Pulumi.{odd[0]}.yaml'!r}.")
    return names


def enter(stack: str) -> Accounts:
    """Make this process's environment the one in which ``pulumi`` works on a stack.

    For an emulated stack, the emulator and the stack are made ready. For a real one, the user's own environment stays.

    Raises:
        ToolError: the stack is not configured, this machine cannot be made ready, or the environment is in the way.
    """
    try:
        endpoint = CHECKOUT.endpoint(stack)
        if endpoint is None:
            check_real(stack, os.environ)
            return Accounts(emulated=False)
        from local.environment import may_have_lost, prepare  # noqa: PLC0415 - real stacks need nothing of it

        environment = prepare(CHECKOUT, stack, endpoint, os.environ)
        os.environ.clear()
        os.environ.update(environment)
        return Accounts(emulated=True, lost=may_have_lost(CHECKOUT, stack, endpoint))
    except LocalError as error:
        raise ToolError(str(error)) from None
    except OSError as error:
        raise ToolError(
            f"This machine could not be made ready: {error}. Is the disk full, or {CHECKOUT.root} read-only? "
            "Put that right, then try again."
        ) from None


def check_real(stack: str, environment: Mapping[str, str]) -> None:
    """Check that the user's environment can run commands on a stack for real AWS.

    Raises:
        ToolError: it cannot, or it would make ``pulumi`` act on another stack or configuration.
    """
    for name in sorted(filter(SELECTING.fullmatch, environment)):
        value = environment[name]
        if value and (name not in NAMING_A_STACK or value != stack):
            raise ToolError(
                f"This command is for stack {stack} with the configuration in {CHECKOUT.root}, and your environment "
                f"has {name}={value}, with which pulumi acts on another. Remove it: unset {name}"
            )
    real = f"Stack {stack} has no endpoint on this machine, so it is for real AWS"
    if environment.get("PULUMI_HOME") == str(CHECKOUT.pulumi_home):
        raise ToolError(
            f"{real}, and this shell is set up for emulated stacks. Leave it (exit), then run the same again."
        )
    if shutil.which("pulumi", path=environment.get("PATH")) is None:
        raise ToolError(
            f"{real} and needs your own Pulumi CLI, and there is none on PATH. "
            "Install it: https://www.pulumi.com/docs/install"
        )


def unattended(arguments: Sequence[str], accounts: Accounts, *, yes: bool) -> list[str]:
    """Return the flags with which Pulumi changes a stack without asking; none where it has to ask.

    Args:
        arguments: what the user passes to Pulumi.
        accounts: the accounts of the stack.
        yes: whether the user agreed beforehand.
    """
    emulated = accounts.emulated and not any(map(ELSEWHERE.match, arguments))
    return ["--yes", "--skip-preview"] if emulated or yes else []
