"""What protects the stack's own secrets: a passphrase that everybody knows protects nothing."""

import re
from collections.abc import Mapping
from pathlib import Path

import pulumi

# The empty one of the embedded default, and those of tutorials and tests.
WELL_KNOWN_PASSPHRASES = frozenset(
    {
        "",
        "passphrase",
        "password",
        "secret",
        "changeme",
        "pulumi",
        "test",
        "dev",
        "admin",
        "123",
        "1234",
        "12345",
        "123456",
    }
)


def passphrase_fault(stack_file: str, environment: Mapping[str, str]) -> str | None:
    """Return what is wrong with the passphrase of a stack for real accounts, or None.

    A passphrase that is typed at the prompt is unknown here and passes.

    Args:
        stack_file: the text of ``Pulumi.<stack>.yaml``; ``encryptionsalt`` in it says that a passphrase is used.
        environment: the environment of the program, where the CLI looks for the passphrase.
    """
    if not re.search(r"^encryptionsalt:", stack_file, re.MULTILINE):
        return None
    passphrase, source = environment.get("PULUMI_CONFIG_PASSPHRASE"), "PULUMI_CONFIG_PASSPHRASE"
    if passphrase is None and (file := environment.get("PULUMI_CONFIG_PASSPHRASE_FILE")):
        source = file
        try:
            passphrase = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None  # the CLI itself has read it, or says why not
    if passphrase is None or passphrase.strip().casefold() not in WELL_KNOWN_PASSPHRASES:
        return None
    kind = "well-known" if passphrase.strip() else "empty"
    return (
        f"this stack is for real AWS accounts, and its secrets are encrypted with the {kind} passphrase in {source}, "
        "so anybody who gets its state reads the access key. Nothing was changed. Choose another passphrase with: "
        "pulumi stack change-secrets-provider passphrase (or awskms://alias/NAME for a key in AWS KMS)"
    )


def refuse_weak_passphrase(stack_file: Path, environment: Mapping[str, str]) -> None:
    """Stop the program where the stack's secrets would not be secret.

    Raises:
        pulumi.RunError: the passphrase is empty or well known.
    """
    try:
        text = stack_file.read_text(encoding="utf-8")
    except OSError:
        return  # configuration from elsewhere, so there is no salt and no passphrase
    if fault := passphrase_fault(text, environment):
        raise pulumi.RunError(fault)
