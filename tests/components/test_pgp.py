"""The PGP public key is checked before AWS makes a secret that nobody could read."""

import base64
import time
from datetime import UTC, datetime

import pysequoia
import pytest

from components.pgp import public_key


@pytest.fixture(scope="module")
def private_key():
    return pysequoia.Tsk.generate(user_id="Reader <reader@example.com>")


def expired():
    """Return a key that is made valid for a second, once that is over."""
    key = pysequoia.Tsk.generate(user_id="late", validity_seconds=1).extract_certificate()
    while datetime.now(UTC) <= key.expiration:
        time.sleep(0.05)
    return bytes(key)


def sign_only():
    """Return the primary key of a certificate, which can certify only, with its user id and signature."""
    key = pysequoia.Tsk.generate(user_id="signer").extract_certificate()
    return b"".join(bytes(packet) for packet in list(pysequoia.packet.PacketPile.from_bytes(bytes(key)))[:3])


@pytest.mark.parametrize("form", ["armored", "binary"])
def test_both_forms_give_the_binary_key_in_base64(private_key, tmp_path, form):
    certificate = private_key.extract_certificate()
    file = tmp_path / "key"
    file.write_bytes(str(certificate).encode() if form == "armored" else bytes(certificate))

    assert base64.b64decode(public_key(file)) == bytes(certificate)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            lambda _key: b"not a key",
            r"this is not a PGP public key \(unexpected EOF\)\. Export the right one with: gpg",
        ),
        (lambda _key: b"", "this file holds 0 PGP keys and must hold one"),
        (bytes, "this file holds a PRIVATE key, which only the reader of the secret should have"),
        (lambda key: bytes(key.extract_certificate()) * 2, "this file holds 2 PGP keys and must hold one"),
        (lambda _key: expired(), "this PGP key expired on 2"),
        (lambda _key: sign_only(), r"this PGP key cannot encrypt \(No suitable encryption subkey for \w+\)\."),
    ],
)
def test_a_key_that_will_not_do(private_key, tmp_path, content, problem):
    file = tmp_path / "key"
    file.write_bytes(content(private_key))

    with pytest.raises(ValueError, match=rf"^{problem}"):
        public_key(file)


def test_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be read \(No such file or directory\)"):
        public_key(tmp_path / "missing")


def test_a_revoked_key(private_key, tmp_path):
    certificate = private_key.extract_certificate()
    revocation = certificate.revoke(private_key.certifier())
    (tmp_path / "key").write_bytes(
        bytes(certificate.merge(pysequoia.Cert.from_bytes(bytes(certificate) + bytes(revocation))))
    )

    with pytest.raises(ValueError, match="this PGP key is revoked"):
        public_key(tmp_path / "key")
