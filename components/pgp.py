"""The PGP public key to which AWS's new secrets are encrypted, checked before any access key is created.

The AWS provider notices a bad key only after AWS has made the access key: that one then lives on with a secret that
nobody has. https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/iam/access_key.go
"""

import base64
from datetime import UTC, datetime
from pathlib import Path

FIX = "Export the right one with: gpg --armor --export NAME > FILE"


def public_key(file: Path) -> str:
    """Return the one public key in a file, armored or binary, as base64 of its binary form.

    This looks at the clock, and encrypts nothing to the key to see that it can: the only way to know. The result is
    the same at every run.

    Args:
        file: an OpenPGP certificate: https://www.rfc-editor.org/rfc/rfc9580#name-transferable-public-keys

    Raises:
        ValueError: it cannot be read, is not one public key, is expired or revoked, or cannot encrypt.
    """
    import pysequoia  # noqa: PLC0415 - only stacks with a PGP key load it

    try:
        content = file.read_bytes()
    except OSError as error:
        raise ValueError(
            f"the PGP key file cannot be read ({error.strerror}). Name a file, relative to the folder of Pulumi.yaml"
        ) from None
    try:
        tags = [packet.tag for packet in pysequoia.packet.PacketPile.from_bytes(content)]
        certificates = pysequoia.Cert.split_bytes(content)
    except Exception as error:  # noqa: BLE001 - the library documents none of its exceptions
        raise ValueError(f"this is not a PGP public key ({_first_line(error)}). {FIX}") from None
    if pysequoia.packet.Tag.SecretKey in tags or pysequoia.packet.Tag.SecretSubkey in tags:
        raise ValueError(f"this file holds a PRIVATE key, which only the reader of the secret should have. {FIX}")
    if len(certificates) != 1:
        raise ValueError(f"this file holds {len(certificates)} PGP keys and must hold one. {FIX}")
    certificate = certificates[0]
    if certificate.is_revoked:
        raise ValueError(f"this PGP key is revoked. {FIX}")
    if certificate.expiration is not None and certificate.expiration <= datetime.now(UTC):
        raise ValueError(f"this PGP key expired on {certificate.expiration:%Y-%m-%d}. Renew it, or use another. {FIX}")
    try:
        pysequoia.encrypt(b"", recipients=[certificate])
    except Exception as error:  # noqa: BLE001 - as above
        raise ValueError(f"this PGP key cannot encrypt ({_first_line(error)}). Use one that can. {FIX}") from None
    return base64.b64encode(bytes(certificate)).decode("ascii")


def _first_line(error: Exception) -> str:
    """Return the message of an error of the library without the stack of its own code."""
    return str(error).partition("\n")[0]
