"""How every command runs the ``pulumi`` CLI: quietly, to read what it prints, or visibly, in front of its user."""

import json
import signal
import subprocess
from typing import Any, Final

from tools.console import StackError

SHOW_SECRETS: Final = "--show-secrets"
FAILURES: Final = frozenset({"error", "info#err"})  # the engine's diagnostics: of a resource; printed by the program
CLI_TIMEOUT_SECONDS: Final = 60.0  # reading outputs or configuration takes about one; an unreachable backend hangs


def pulumi(stack: str, *arguments: str, timeout: float = CLI_TIMEOUT_SECONDS) -> str:
    """Run ``pulumi`` on a stack without questions and return its standard output.

    Args:
        stack: name of the stack.
        arguments: the command and its flags, as ``"stack", "output"``.
        timeout: seconds after which the command is given up.

    Raises:
        StackError: it failed, or it took too long. The message has the CLI's own words, but no output that may hold
            secrets.
    """
    command = ["pulumi", "--non-interactive", *arguments, "--stack", stack]
    command_line = " ".join(["pulumi", *arguments, "--stack", stack])
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise StackError(
            f"`{command_line}` did not end within {timeout:.0f} s. Run it by hand to see what it waits for."
        ) from None
    if done.returncode != 0:
        printed = "" if SHOW_SECRETS in arguments else done.stdout.strip()
        # The CLI writes warnings to standard error, so the engine's diagnostics come first.
        words = diagnostics(printed) or done.stderr.strip() or printed or f"exit code {done.returncode}"
        advice = f". Make it with: pulumi stack init {stack}" if "no stack named" in words else ""
        raise StackError(f"`{command_line}` failed: {words.removeprefix('error: ')}{advice}")
    return done.stdout


def diagnostics(printed: str) -> str:
    """Return the errors in the document that a run of the engine with ``--json`` prints; empty without one."""
    try:
        messages = json.loads(printed)["diagnostics"]
    except (ValueError, KeyError, TypeError):
        return ""
    return "".join(each["message"] for each in messages if each["severity"] in FAILURES).strip()


def read_json(stack: str, *arguments: str) -> Any:  # noqa: ANN401 - parsed JSON
    """Return the JSON that ``pulumi`` prints on a stack; secrets are encrypted without SHOW_SECRETS.

    Raises:
        StackError: it failed, or printed something else, which may hold secrets and is not quoted.
    """
    try:
        return json.loads(pulumi(stack, *arguments) or "{}")
    except ValueError:
        shown = " ".join(word for word in arguments if word != SHOW_SECRETS)
        raise StackError(f"`pulumi {shown}` printed no JSON for stack {stack}. Run it by hand to see why.") from None


def show(stack: str, *arguments: str, interactive: bool = False) -> bool:
    """Run ``pulumi`` on a stack with its output shown, and return whether it succeeded.

    Args:
        stack: name of the stack.
        arguments: the command and its flags.
        interactive: whether it may ask its user.

    Raises:
        KeyboardInterrupt, SystemExit: this process was interrupted; ``pulumi`` has ended by then.
    """
    command = ["pulumi", *arguments, "--stack", stack, *([] if interactive else ["--non-interactive"])]
    process = subprocess.Popen(command, stdin=None if interactive else subprocess.DEVNULL)
    interruption: BaseException | None = None
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt as error:  # pulumi got the same Ctrl-C, and records what it has begun
            interruption = error
        except SystemExit as error:  # the signal that ends a CI job came to this process alone
            interruption = error
            process.send_signal(signal.SIGINT)
    if interruption:
        raise interruption
    return code == 0
