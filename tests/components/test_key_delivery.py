"""The other two ways to hand the secret over: encrypted to a PGP key, or kept in a store of the trusted account."""

import json

import pysequoia
import pytest

from components.pgp import public_key
from tests.components.conftest import EVERYTHING, TRUSTED, key_of

SECRET_MARK = "4dabf18193072939515e22adb298388d"  # how Pulumi marks a secret on the wire
PLAIN = {"accessKeyId", "secretAccessKey", "awsConfig"}
STORE = "assume-role-secret-store"


@pytest.fixture(scope="module")
def pgp_key_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("pgp") / "reader.asc"
    file.write_text(str(pysequoia.Tsk.generate(user_id="Reader <reader@example.com>").extract_certificate()))
    return file


@pytest.fixture(scope="module")
def encrypted(run_program, pgp_key_file):
    return run_program(pgpKeyFile=str(pgp_key_file), accessKeys=[{"label": "old"}, {"label": "new"}])


@pytest.fixture(scope="module")
def stores(run_program):
    return {
        kind: run_program(**EVERYTHING, secretStore={"kind": kind, "name": "/keys/alice", "kmsKeyId": "alias/k"})
        for kind in ("secretsmanager", "ssm")
    }


@pytest.fixture(params=["secretsmanager", "ssm"])
def stored(stores, request):
    return stores[request.param]


@pytest.fixture(params=["pgp", "secretsmanager", "ssm"])
def without_plain_secret(encrypted, stores, request):
    return {"pgp": encrypted, **stores}[request.param]


def test_every_key_is_made_with_the_pgp_key(encrypted, pgp_key_file):
    keys = encrypted.all("aws:iam/accessKey:AccessKey")
    assert [each.inputs["pgpKey"] for each in keys] == [public_key(pgp_key_file.read_text())] * 2


def test_with_a_pgp_key_the_outputs_hold_only_the_encrypted_secret(encrypted):
    values, key_id = encrypted.values(), key_of("new")[0]
    assert "secretAccessKey" not in values
    assert values["accessKeyId"] == key_id
    assert values["encryptedSecretAccessKey"] == f"for the reader of {key_id}"
    assert values["accessKeys"] == {
        label: {
            "id": key_of(label)[0],
            "status": "Active",
            "encryptedSecret": f"for the reader of {key_of(label)[0]}",
        }
        for label in ("old", "new")
    }
    assert "None" not in json.dumps(values)


def test_a_profile_without_its_secret_says_how_to_add_it(without_plain_secret):
    config = without_plain_secret.outputs["awsConfig"]
    assert config.secret
    assert "\naws_access_key_id" not in config.value
    assert "aws_secret_access_key" not in config.value
    assert "#   aws configure --profile assume-role-prod-user" in config.value


def test_the_store_is_in_the_trusted_account(stored):
    assert stored.named(STORE).type == "assume-role:index:SecretStore"
    assert stored.named(STORE).parent == "assume-role"
    made = [each for each in stored.resources if each.parent == STORE]
    assert made
    assert {each.provider for each in made} == {"assume-role-trusted-provider"}
    assert all(each.name.startswith(f"{STORE}-") for each in made)


def test_the_store_is_named_as_configured_and_located(stored):
    holder = stored.named(f"{STORE}-secret" if stored.all("aws:secretsmanager/secret:Secret") else f"{STORE}-parameter")
    assert holder.inputs["name"] == "/keys/alice"
    assert holder.inputs.get("type", "SecureString") == "SecureString"
    assert holder.inputs.get("recoveryWindowInDays", 0) == 0  # so that a deleted one frees its name
    assert holder.inputs.get("kmsKeyId", holder.inputs.get("keyId")) == "alias/k"
    location = stored.outputs["secretLocation"]
    assert location.value.startswith("arn:aws:")
    assert f":ap-south-1:{TRUSTED}:" in location.value
    assert "/keys/alice" in location.value
    assert not location.secret


@pytest.mark.parametrize("marks_secrets", [True, False])
@pytest.mark.parametrize(("kind", "holder", "key"), [
    ("secretsmanager", "secret-version", "secretString"), ("ssm", "parameter", "value"),
])  # fmt: skip
def test_the_last_active_pair_is_stored_as_a_secret_and_nowhere_else(run_program, kind, holder, key, marks_secrets):
    keys = [{"label": "old"}, {"label": "new", "status": "Inactive"}]
    recorded = run_program(marks_secrets=marks_secrets, secretStore={"kind": kind, "name": "x"}, accessKeys=keys)
    key_id, secret = key_of("old")
    value = recorded.named(f"{STORE}-{holder}").inputs[key]
    assert SECRET_MARK in value
    assert json.loads(value["value"]) == {"accessKeyId": key_id, "secretAccessKey": secret}
    elsewhere = [each.inputs for each in recorded.resources if each.name != f"{STORE}-{holder}"]
    for each in ("old", "new"):
        assert key_of(each)[1] not in json.dumps([recorded.values(), recorded.component_outputs, elsewhere])
    assert "secretAccessKey" not in recorded.outputs
    assert recorded.outputs["accessKeys"].value == {
        "old": {"id": key_id, "status": "Active"},
        "new": {"id": key_of("new")[0], "status": "Inactive"},
    }


@pytest.mark.parametrize("kind", ["secretsmanager", "ssm"])
def test_without_an_active_key_nothing_is_stored(run_program, kind):
    recorded = run_program(secretStore={"kind": kind, "name": "x"}, accessKeys=[{"label": "1", "status": "Inactive"}])
    assert not recorded.outputs.keys() & PLAIN
    assert not recorded.all("aws:secretsmanager/secretVersion:SecretVersion")
    assert not recorded.all("aws:ssm/parameter:Parameter")
