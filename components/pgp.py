"""The PGP public key to which AWS's new secrets are encrypted, checked before any access key is created.

The AWS provider notices a bad key only after AWS has made the access key: nobody then has its
secret. https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/iam/access_key.go
"""

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pysequoia

# The kinds of keys that the provider's OpenPGP library reads (github.com/ProtonMail/go-crypto v1.4.1, `parse` in
# https://github.com/ProtonMail/go-crypto/blob/v1.4.1/openpgp/packet/public_key.go), by the names of pysequoia; no
# post-quantum ones. With the provider: .../terraform-provider-aws/blob/main/internal/vault/helper/pgpkeys
PROVIDER_READS = frozenset(
    {"RSAEncryptSign", "RSAEncrypt", "RSASign", "ElGamalEncrypt", "DSA", "ECDH", "ECDSA", "EdDSA"}
    | {"X25519", "X448", "Ed25519", "Ed448"}
)
FIX = "Export the right one with: gpg --armor --export NAME > FILE"
ADVICE = "Use one that encrypts with RSA, Curve25519 or a NIST curve."
VERSION_WITHOUT_USER_ID = 6  # https://www.rfc-editor.org/rfc/rfc9580#section-10.1.1


def public_key(value: object) -> str:
    """Return a public key, armored or base64 (of either form), as base64 of its binary form.

    This looks at the clock, and encrypts nothing to the key to see that it can: the only way to know. The result is
    the same at every run.

    Args:
        value: an OpenPGP certificate: https://www.rfc-editor.org/rfc/rfc9580#name-transferable-public-keys

    Raises:
        ValueError: it is not one public key, is expired or revoked, cannot encrypt, or is of a kind that the AWS
            provider does not read.
    """
    if not isinstance(value, str):
        raise ValueError(f"this must be a text, armored or base64. {FIX}")
    try:
        content = value.encode() if value.lstrip().startswith("-----") else base64.b64decode(value, validate=True)
    except ValueError:
        raise ValueError(f"this is not a PGP public key (neither armored nor base64). {FIX}") from None
    import pysequoia  # noqa: PLC0415 - only stacks with a PGP key load it

    try:
        packets = [(packet.tag, packet) for packet in pysequoia.packet.PacketPile.from_bytes(content)]
        certificates = pysequoia.Cert.split_bytes(content)
    except Exception as error:  # noqa: BLE001 - the library documents none of its exceptions
        raise ValueError(f"this is not a PGP public key ({_first_line(error)}). {FIX}") from None
    tag = pysequoia.packet.Tag
    tags = [kind for kind, _ in packets]
    if tag.SecretKey in tags or tag.SecretSubkey in tags:
        raise ValueError(f"this file holds a PRIVATE key, which only the reader of the secret should have. {FIX}")
    if len(certificates) != 1:
        raise ValueError(f"this file holds {len(certificates)} PGP keys and must hold one. {FIX}")
    keys = [packet for kind, packet in packets if kind in (tag.PublicKey, tag.PublicSubkey)]
    kinds = {str(key.key_algorithm).rpartition(".")[2] for key in keys}  # as ECDH
    if unread := sorted(kinds - PROVIDER_READS):
        raise ValueError(
            f"this PGP key has a part of the kind {unread[0]}, which the AWS provider cannot read: it would make an "
            f"access key whose secret nobody has. {ADVICE} {FIX}"
        )
    if tag.UserID not in tags and keys[0].body[0] < VERSION_WITHOUT_USER_ID:
        raise ValueError(f"this PGP key has no user id, and the AWS provider needs one. Add one to it. {FIX}")
    _encrypt_to(certificates[0])
    return base64.b64encode(bytes(certificates[0])).decode("ascii")


def _encrypt_to(certificate: "pysequoia.Cert") -> None:
    """Encrypt nothing to a certificate; raise ``ValueError`` where that says that it will not do."""
    import pysequoia  # noqa: PLC0415 - as above

    try:
        revoked, expiration = certificate.is_revoked, certificate.expiration
    except Exception as error:  # noqa: BLE001 - as above; it cannot check signatures of some curves
        raise ValueError(
            f"this PGP key cannot be checked ({_first_line(error)}): it is of a curve such as brainpool or secp256k1, "
            f"or its own signature is not valid. {ADVICE} {FIX}"
        ) from None
    if revoked:
        raise ValueError(f"this PGP key is revoked. {FIX}")
    if expiration is not None and expiration <= datetime.now(UTC):
        raise ValueError(f"this PGP key expired on {expiration:%Y-%m-%d}. Renew it, or use another. {FIX}")
    try:
        pysequoia.encrypt(b"", recipients=[certificate])
    except Exception as error:  # noqa: BLE001 - as above
        raise ValueError(f"this PGP key cannot encrypt ({_first_line(error)}). {ADVICE} {FIX}") from None


def _first_line(error: Exception) -> str:
    """Return the message of an error of the library without the stack of its own code."""
    return str(error).partition("\n")[0]
