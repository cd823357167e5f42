"""Files that a person may have spoiled: read as what they say, or refused in a sentence; never a traceback."""

import base64
import json

import pysequoia
import pytest
import yaml
from hypothesis import strategies as st

from components.iam.endpoints import endpoint_error
from components.identity_policy import identity_policy
from components.pgp import public_key
from local import LocalError
from local.checkout import Checkout
from tests.fuzz.conftest import tried
from tests.fuzz.policy_grammar import right_policies

# What editors, copies and merges leave behind, and what YAML has of its own.
PIECES = st.sampled_from(
    [
        *rb"\ud800|{|]|&a |*a|<<: *a|!!timestamp x|2026-13-01|0x_|!!bool x|? []|0777|yes|1e999|NaN|config:".split(b"|"),
        b'"',
        *(b"\xef\xbb\xbf", b"\t", b"\x00", b"\xff\xfe", b"\r", b"\xc3", b"\xed\xa0\x80", b"<<<<<<< HEAD\n", b"---\n"),
        *(b"[" * 3000, b"1" * 5000, b"-----BEGIN PGP MESSAGE-----"),
    ]
)
SPOILS = st.just([]) | st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 9), PIECES | st.binary(max_size=4)), max_size=3
)


def spoil(content, spoils):
    """Put pieces into a content, at a part of its length, in place of some bytes."""
    for part, count, piece in spoils:
        at = int(part * len(content))
        content = content[:at] + piece + content[at + count :]
    return content


@pytest.fixture(scope="session")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("files") / "Pulumi.test.yaml"


def check_message(error):
    """Check that the message of a refusal is a sentence that can be shown."""
    message = str(error)
    message.encode()
    assert "\n" not in message
    assert len(message) > len("a sentence")


@tried(60, policy=right_policies(), spoils=SPOILS)
def test_a_policy_file(policy, spoils, file):
    file.write_bytes(spoil(json.dumps(policy, ensure_ascii=False).encode(), spoils))
    try:
        document = identity_policy(file.read_bytes())
    except ValueError as error:
        check_message(error)
        return
    assert identity_policy(document) == document
    json.dumps(document, ensure_ascii=False).encode()


@tried(60, spoils=SPOILS, armored=st.booleans(), in_code=st.booleans())
def test_a_pgp_key(spoils, armored, in_code, pgp_key_file, file):
    armor = pgp_key_file.read_bytes()
    content = spoil(armor if armored else bytes(pysequoia.Cert.from_bytes(armor)), spoils)
    file.write_bytes(content)
    text = content.decode("latin-1") if armored else base64.b64encode(content).decode()
    try:
        key = public_key(text if in_code else base64.b64encode(file.read_bytes()).decode())
    except ValueError as error:
        check_message(error)
        return
    assert public_key(key) == key


STACK = {"config": {"assume-role:endpoint": "http://127.0.0.1:4599", "assume-role:tags": {"team": "audit"}}}


@tried(100, spoils=SPOILS)
def test_a_file_of_a_stack(spoils, file):
    """Nobody is asked before a stack with an endpoint is changed: only one of this machine may come out."""
    file.write_bytes(spoil(yaml.safe_dump(STACK).encode(), spoils))
    try:
        endpoint = Checkout(file.parent).endpoint("test")
    except LocalError as error:
        check_message(error)
        return
    assert endpoint is None or endpoint_error(endpoint.rstrip("/")) is None
