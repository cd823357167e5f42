"""`verify`: prove a deployed relationship, from what must work to what must be refused."""

import argparse
import getpass
import math
import sys
from pathlib import Path

from pydantic import SecretStr

from tools.aws.propagation import PROPAGATION_SECONDS
from tools.console import Exit, ToolError, say
from tools.proof.report import save
from tools.proof.stack import prove_stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--save", type=Path, metavar="FILE", help="also write the report to a file, as JSON")
    parser.add_argument("--write", action="store_true", help="also create, write, read and remove an S3 bucket")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="how long to repeat calls that AWS refuses though they must work, and to wait for the propagation delay "
        f"(default {PROPAGATION_SECONDS:.0f} each, on an emulator 0); later results are undetermined",
    )
    parser.add_argument(
        "--delay",
        "--spreading",  # its earlier name
        type=_seconds,
        metavar="SECONDS",
        help="the propagation delay of AWS: no answer is final until so long after the last known change "
        f"(default {PROPAGATION_SECONDS:.0f}, on an emulator 0)",
    )
    parser.add_argument("--mfa-serial", metavar="ARN", help="the user's MFA device")
    parser.add_argument("--mfa-code", metavar="CODE", help="the code that it shows now")
    parser.add_argument(
        "--secret-stdin", action="store_true", help="read the secret of the key that is handed over from standard input"
    )


def _seconds(text: str) -> float:
    if not math.isfinite(seconds := float(text)):
        raise argparse.ArgumentTypeError(f"{text} has no end. Give a number of seconds")
    return seconds


def run(options: argparse.Namespace) -> Exit:
    """Prove what can be proven, report it, and return the exit code."""
    if (options.mfa_serial is None) != (options.mfa_code is None):
        raise ToolError("--mfa-serial and --mfa-code go together: the device's ARN, and the code that it shows now.")
    proof = prove_stack(
        options.stack,
        write=options.write,
        timeout=options.timeout,
        delay=options.delay,
        mfa={"SerialNumber": options.mfa_serial, "TokenCode": options.mfa_code} if options.mfa_serial else None,
        secret=_secret_from_stdin() if options.secret_stdin else None,
    )
    say(*([proof.as_json()] if options.json else [*proof.lines(), proof.summary]))
    saved = not options.save or save(proof, options.save)
    return proof.code if saved else proof.code or Exit.CANNOT_TELL


def _secret_from_stdin() -> SecretStr:
    """Return the secret on standard input, or of a person on a terminal."""
    secret = getpass.getpass("Secret access key: ") if sys.stdin.isatty() else sys.stdin.read()
    if not secret.strip():
        raise ToolError("No secret came on standard input. Pipe the decrypted secret access key into this command.")
    return SecretStr(secret.strip())
