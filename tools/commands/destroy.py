"""`python -m tools destroy --stack NAME`: delete everything that the stack created, in both accounts."""

import argparse

from tools.cli import show
from tools.console import Exit, complain, sentence
from tools.environment import unattended

PARTIAL = ("--preview-only", "--target", "-t", "--help", "-h")  # arguments with which role and user stay


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--yes", action="store_true", help="ask nothing before real accounts are changed")


def run(options: argparse.Namespace) -> Exit:
    """Run ``pulumi destroy`` in front of the user.

    The engine does not run the program for that: it signs in as the state recorded. With the program, a faulty
    configuration would stop it, and the engine (3.259) deletes a replaced user beside its key.
    """
    whole = not any(word.startswith(PARTIAL) for word in options.arguments)
    if whole and not options.accounts.emulated:
        from tools.revocation.removal import remove_revocation  # noqa: PLC0415 - takes 0.5 s

        try:
            if not remove_revocation(options.stack, yes=options.yes):
                return Exit.CANNOT_TELL
        except Exception as error:  # noqa: BLE001 - `sentence` raises again what is no message
            complain(sentence(error)[0])  # nothing is deployed, or Pulumi says what is wrong with the sign-in
    flags = unattended(options.arguments, options.accounts, yes=options.yes)
    if show(options.stack, "destroy", *flags, *options.arguments, interactive=True):
        return Exit.DONE
    complain(
        f"If the role stays after a revocation, refuse its older sessions again: make revoke STACK={options.stack}",
        "If the profile, assumeRoleArn or endpoint of the stack changed since its last up: make destroy "
        f"STACK={options.stack} ARGS=--run-program",
    )
    return Exit.FAILED
