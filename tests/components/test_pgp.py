"""The PGP public key is checked before AWS makes a secret that nobody could read."""

import base64
import time
from datetime import UTC, datetime

import pysequoia
import pytest

from components.pgp import public_key

# Made with: gpg --batch --gen-key, Key-Type ECDSA, Subkey-Type ECDH, of a curve that Sequoia cannot make.
BRAINPOOL = (
    "mFMEawXFAhMJKyQDAwIIAQEHAgMENk/j0j6ZoCG5YCMjGuLm6C+tal8Jsn8+kTK/Z/MNDthU7mR+PYdPHQezju6+0vSB9kSeWGEb6jGHRiN3"
    "X9HLKLQhYnJhaW5wb29sIDxicmFpbnBvb2xAZXhhbXBsZS5jb20+iJAEExMIADgWIQSMc0gANXba7G3AimdP5rbB9R29pgUCawXFAgIbIwUL"
    "CQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRBP5rbB9R29pgQFAP47NqQF0RhkIlbXGsNmApAxfTfYKunvBrrdBC3DGJtenAD/ZlwVeOdMtJus"
    "vQbIUbWRhc89jJiplaEQ5paBKTxW0K+4VwRrBcUCEgkrJAMDAggBAQcCAwQodzTnVuftjystA25arBdQb4vm3RfR7WYYUx48zRc1UlM80clm"
    "p0CW1642HOXfyFALExgAKB669yJQg4PiV0+MAwEIB4h4BBgTCAAgFiEEjHNIADV22uxtwIpnT+a2wfUdvaYFAmsFxQICGwwACgkQT+a2wfUd"
    "vaaXhgD/RTsw828Gz+O8n4ouHcIW4Fo+VW48TpxzX8sf/XduItUA/1hDfzDfPVF70DNkCxi1bBjpfPXgh4JfruHueJox491E"
)


def binary(content):
    """Return a public key, given in the form that a file's content has in the arguments."""
    return base64.b64decode(public_key(base64.b64encode(content).decode()))


@pytest.fixture(scope="module")
def private_key():
    return pysequoia.Tsk.generate(user_id="Reader <reader@example.com>")


def expired():
    """Return a key that is made valid for a second, once that is over."""
    key = pysequoia.Tsk.generate(user_id="late", validity_seconds=1).extract_certificate()
    while datetime.now(UTC) <= key.expiration:
        time.sleep(0.05)
    return bytes(key)


def post_quantum(suite):
    profile = pysequoia.Profile.RFC9580
    return bytes(pysequoia.Tsk.generate(user_id="x", profile=profile, cipher_suite=suite).extract_certificate())


def without_user_id(profile):
    return bytes(pysequoia.Tsk.generate(profile=profile).extract_certificate())


def sign_only():
    """Return the primary key of a certificate, which can certify only, with its user id and signature."""
    key = pysequoia.Tsk.generate(user_id="signer").extract_certificate()
    return b"".join(bytes(packet) for packet in list(pysequoia.packet.PacketPile.from_bytes(bytes(key)))[:3])


def test_each_form_gives_the_binary_key_in_base64(private_key):
    certificate = private_key.extract_certificate()
    assert binary(bytes(certificate)) == binary(str(certificate).encode()) == bytes(certificate)
    assert base64.b64decode(public_key(str(certificate))) == bytes(certificate)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            lambda _key: b"not a key",
            r"this is not a PGP public key \(unexpected EOF\)\. Export the right one with: gpg",
        ),
        (
            lambda key: bytes(key.extract_certificate()) + b"\xfc\x01\x00",  # a packet of a private kind
            r"this is not a PGP public key \(Private packet tag: 60\)\. Export the right one with: gpg",
        ),
        (lambda _key: b"", "this file holds 0 PGP keys and must hold one"),
        (bytes, "this file holds a PRIVATE key, which only the reader of the secret should have"),
        (lambda key: bytes(key.extract_certificate()) * 2, "this file holds 2 PGP keys and must hold one"),
        (lambda _key: expired(), "this PGP key expired on 2"),
        (lambda _key: base64.b64decode(BRAINPOOL), r"this PGP key cannot be checked \(No binding signature at"),
        (
            lambda _key: post_quantum(pysequoia.CipherSuite.MLDSA65_Ed25519),
            "this PGP key has a part of the kind MLDSA65_Ed25519, which the AWS provider cannot read",
        ),
        (lambda _key: without_user_id(pysequoia.Profile.RFC4880), "this PGP key has no user id, and the AWS provider"),
        (lambda _key: sign_only(), r"this PGP key cannot encrypt \(No suitable encryption subkey for \w+\)\."),
    ],
)
def test_a_key_that_will_not_do(private_key, content, problem):
    with pytest.raises(ValueError, match=rf"^{problem}"):
        binary(content(private_key))


@pytest.mark.parametrize("suite", ["Cv25519", "Cv448", "P256", "P384", "P521", "RSA2k"])
@pytest.mark.parametrize("profile", ["RFC4880", "RFC9580"])
def test_the_kinds_that_the_provider_reads(suite, profile):
    kind = {"profile": getattr(pysequoia.Profile, profile), "cipher_suite": getattr(pysequoia.CipherSuite, suite)}
    certificate = pysequoia.Tsk.generate(user_id="x", **kind).extract_certificate()
    assert binary(bytes(certificate)) == bytes(certificate)


def test_a_newer_key_needs_no_user_id():
    assert binary(without_user_id(pysequoia.Profile.RFC9580))


@pytest.mark.parametrize("text", ["ключ", "a", "\ud800"])
def test_a_text_that_is_no_key(text):
    with pytest.raises(ValueError, match=r"this is not a PGP public key .* Export the right one with"):
        public_key(text)


def test_a_revoked_key(private_key):
    certificate = private_key.extract_certificate()
    revocation = certificate.revoke(private_key.certifier())
    revoked = certificate.merge(pysequoia.Cert.from_bytes(bytes(certificate) + bytes(revocation)))
    with pytest.raises(ValueError, match="this PGP key is revoked"):
        binary(bytes(revoked))
