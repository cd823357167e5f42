"""The passphrase of a stack's secrets: a well-known one protects nothing."""

import re
from collections.abc import Mapping
from pathlib import Path

import pulumi

from .configuration import read_small_file

# What the engine and the SDK call the organization of a stack that is not in Pulumi Cloud.
NO_ORGANIZATION = "organization"
# That of stack dev, which is empty, and those of tutorials and tests.
WELL_KNOWN_PASSPHRASES = frozenset(
    {"", "passphrase", "password", "secret", "changeme", "pulumi", "test", "dev", "admin"}
    | {"123", "1234", "12345", "123456"}
)


def passphrase_error(stack_file: str, environment: Mapping[str, str], *, in_pulumi_cloud: bool) -> str | None:
    """Return what is wrong with the passphrase of a stack for real accounts, or None.

    Pulumi tells a program neither the secrets provider of its stack nor ``--config-file``. Outside of Pulumi Cloud,
    which has a key of its own, a stack whose file names no provider has a passphrase, or its configuration is in
    another file: there, the passphrase in the environment is taken for the stack's. One that is typed at the prompt
    is unknown here and passes. ``encryptionsalt`` in the text of the stack's file says that a passphrase is used.
    """
    named = re.findall(r"^(encryptionsalt|secretsprovider):", stack_file, re.MULTILINE)
    if "encryptionsalt" not in named and (named or in_pulumi_cloud):
        return None
    passphrase, source = environment.get("PULUMI_CONFIG_PASSPHRASE"), "PULUMI_CONFIG_PASSPHRASE"
    if passphrase is None and (file := environment.get("PULUMI_CONFIG_PASSPHRASE_FILE")):
        source = file
        try:
            passphrase = read_small_file(Path(file), "passphrase").decode("utf-8").strip()
        except ValueError:
            return None  # the CLI itself has read it, or says why not; a pipe is read once
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
        text = ""  # the configuration is elsewhere, as with --config-file
    if error := passphrase_error(text, environment, in_pulumi_cloud=pulumi.get_organization() != NO_ORGANIZATION):
        raise pulumi.RunError(error)
