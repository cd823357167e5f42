"""Who has the secret: the stack, the holder of a PGP key alone, or a store in the trusted account."""

import base64
import json

import pysequoia
import pytest
import yaml
from botocore.exceptions import ClientError


def caller(aws_client, access_key_id, secret):
    return aws_client(access_key_id, "sts", secret).get_caller_identity()["Arn"]


@pytest.fixture(scope="module")
def private_key():
    return pysequoia.Tsk.generate(user_id="Reader <reader@example.com>")


@pytest.fixture(scope="module")
def pgp_up(tmp_path_factory, next_accounts, make_project, private_key):
    """Return a project with a PGP key, and all that its first up said."""
    project = make_project(tmp_path_factory.mktemp("pgp"), next_accounts())
    (project.path / "reader.asc").write_text(str(private_key.extract_certificate()))
    project.configure({"pgpKeyFile": "reader.asc"})
    return project, project.with_own_plugins().up("--diff", "--logtostderr", "-v=9")


class TestWithAPgpKey:
    """One project: what its up shows and leaves, then what an up comes to whose secret was never encrypted."""

    def test_the_plain_secret_exists_nowhere(self, pgp_up, private_key, aws_client):
        project, shown = pgp_up

        outputs = project.outputs()
        message = base64.b64decode(outputs["encryptedSecretAccessKey"])
        secret = pysequoia.decrypt(bytes=message, decryptor=private_key.decryptor()).bytes.decode()
        assert caller(aws_client, outputs["accessKeyId"], secret) == outputs["userArn"]
        assert "secretAccessKey" not in outputs
        assert outputs["accessKeys"]["1"] == {
            "id": outputs["accessKeyId"],
            "status": "Active",
            "encryptedSecret": outputs["encryptedSecretAccessKey"],
        }
        everything = [
            shown.stdout,
            shown.stderr,
            json.dumps(outputs),
            project.pulumi("stack", "export", "--show-secrets").stdout,
            project.state(),
        ]
        assert all(secret not in text for text in everything)
        assert (
            f"aws configure --profile assume-role-test-user     (access key id: {outputs['accessKeyId']})"
            in (outputs["awsConfig"])
        )
        project.preview("--expect-no-changes")

    def test_an_active_key_whose_secret_was_never_encrypted_fails_every_update(self, pgp_up):
        """What is in the state after the provider has made a key and then failed on the PGP key."""
        project, _ = pgp_up
        state = json.loads(project.state())
        resources = state["checkpoint"]["latest"]["resources"]
        (key,) = [item for item in resources if item["type"] == "aws:iam/accessKey:AccessKey"]
        del key["outputs"]["encryptedSecret"]
        project.state_file.write_text(json.dumps(state))

        project.preview()
        for _ in range(2):
            done = project.up(check=False)
            assert done.returncode != 0
            assert f"the access key {key['id']} is active, and nobody has its secret" in done.stdout + done.stderr
            assert "Traceback" not in done.stdout + done.stderr

        assert f"pulumi up --replace '{key['urn']}'" in done.stdout + done.stderr
        project.up("--replace", key["urn"])
        outputs = project.recorded()
        assert outputs["encryptedSecretAccessKey"]
        assert outputs["accessKeyId"] != key["id"]


STORES = {
    "secretsmanager": {"kind": "secretsmanager", "name": "assume-role/user-1"},
    "ssm": {"kind": "ssm", "name": "/assume-role/user-1"},
}


def read_store(aws_client, account_id, kind, location):
    if kind == "secretsmanager":
        return aws_client(account_id, "secretsmanager").get_secret_value(SecretId=location)["SecretString"]
    name = location.partition(":parameter")[2]
    return aws_client(account_id, "ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]


@pytest.mark.parametrize("kind", STORES)
def test_a_store_in_the_trusted_account_holds_the_pair_and_follows_rotation(project, aws_client, kind):
    project.configure({"secretStore": STORES[kind], "tags": {"team": "a"}})

    shown = project.up("--diff")

    outputs = project.outputs()
    assert "secretAccessKey" not in outputs
    assert "secret" not in outputs["accessKeys"]["1"]
    location = outputs["secretLocation"]
    assert f":{project.accounts.trusted}:" in location
    pair = json.loads(read_store(aws_client, project.accounts.trusted, kind, location))
    assert pair.keys() == {"accessKeyId", "secretAccessKey"}
    assert caller(aws_client, pair["accessKeyId"], pair["secretAccessKey"]) == outputs["userArn"]
    for text in (shown.stdout, shown.stderr, project.state(), json.dumps(outputs)):
        assert pair["secretAccessKey"] not in text
    project.preview("--expect-no-changes")

    first = pair["accessKeyId"]
    project.configure({"accessKeys": [{"label": "1"}, {"label": "2"}]})
    project.up()

    outputs = project.recorded()
    pair = json.loads(read_store(aws_client, project.accounts.trusted, kind, outputs["secretLocation"]))
    assert pair["accessKeyId"] == outputs["accessKeyId"] != first
    assert caller(aws_client, pair["accessKeyId"], pair["secretAccessKey"]) == outputs["userArn"]

    project.configure({"accessKeys": [{"label": "1", "status": "Inactive"}]})
    project.up()

    assert "accessKeyId" not in project.recorded()
    if kind == "ssm":  # there the name is free from now on
        with pytest.raises(ClientError, match="ParameterNotFound"):
            read_store(aws_client, project.accounts.trusted, kind, outputs["secretLocation"])
    else:  # a deleted secret would keep its name for a month
        project.destroy()
        project.up()


class TestStackEncryption:
    """The example of the README: a stack with a passphrase of its own."""

    def test_a_stack_for_real_accounts_with_an_empty_passphrase(self, project):
        """Also with the configuration in another file."""
        project.with_passphrase().configure({"endpoint": None})

        refused = [project.preview(check=False)]
        project.stack_file.rename(project.path / "elsewhere.yaml")
        refused.append(project.preview("--config-file", "elsewhere.yaml", check=False))

        for done in refused:
            assert done.returncode != 0
            assert "encrypted with the empty passphrase in PULUMI_CONFIG_PASSPHRASE" in done.stdout
            assert "pulumi stack change-secrets-provider passphrase" in done.stdout

    def test_a_passphrase_of_the_users_own(self, project):
        """`pulumi stack init --secrets-provider`, here with the one provider that needs no cloud."""
        words = {"PULUMI_CONFIG_PASSPHRASE": "correct horse"}
        prod = ("--stack", "prod", "--non-interactive")
        init = ("pulumi", "stack", "init", "prod", "--secrets-provider", "passphrase", "--non-interactive")
        project.run(*init, environment=words)
        stack_file = project.path / "Pulumi.prod.yaml"
        stack_file.write_text(yaml.safe_dump(yaml.safe_load(stack_file.read_text()) | {"config": project.config()}))
        project.run("pulumi", "up", "--yes", "--skip-preview", *prod, environment=words)

        refused = project.run("pulumi", "up", "--yes", *prod, check=False)

        output = ("pulumi", "stack", "output", "secretAccessKey", "--show-secrets", *prod)
        assert len(project.run(*output, environment=words).stdout.strip()) == 40
        assert refused.returncode != 0
        assert "incorrect passphrase" in refused.stderr
