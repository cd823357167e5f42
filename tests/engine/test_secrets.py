"""Who has the secret: the stack, the holder of a PGP key alone, or a store in the trusted account."""

import base64
import json

import boto3
import pysequoia
import pytest
import yaml


@pytest.fixture(scope="module")
def private_key():
    return pysequoia.Tsk.generate(user_id="Reader <reader@example.com>")


def caller(outputs, access_key_id, secret):
    sts = boto3.client(
        "sts",
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        endpoint_url=outputs["terms"]["endpoint"],
    )
    return sts.get_caller_identity()["Arn"]


@pytest.mark.parametrize("form", ["armored", "binary"])
def test_with_a_pgp_key_the_plain_secret_exists_nowhere(project, private_key, form):
    public_key = private_key.extract_certificate()
    content = str(public_key).encode() if form == "armored" else bytes(public_key)
    (project.path / "reader.asc").write_bytes(content)
    project.configure({"pgpKeyFile": "reader.asc"})

    shown = project.up("--diff", "--logtostderr", "-v=9")

    outputs = project.outputs()
    message = base64.b64decode(outputs["encryptedSecretAccessKey"])
    secret = pysequoia.decrypt(bytes=message, decryptor=private_key.decryptor()).bytes.decode()
    assert caller(outputs, outputs["accessKeyId"], secret) == outputs["userArn"]
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


def test_a_private_key_is_refused_before_anything_is_created(project, aws_client, private_key):
    (project.path / "reader.asc").write_text(str(private_key))
    project.configure({"pgpKeyFile": "reader.asc"})

    done = project.up(check=False)

    assert done.returncode != 0
    assert 'pgpKeyFile = "reader.asc": this file holds a PRIVATE key' in done.stdout
    assert aws_client(project.accounts.trusted, "iam").list_users()["Users"] == []


def test_an_active_key_whose_secret_was_never_encrypted_fails_every_update(project, private_key):
    """What is in the state after the provider has made a key and then failed on the PGP key."""
    (project.path / "reader.asc").write_text(str(private_key.extract_certificate()))
    project.configure({"pgpKeyFile": "reader.asc"})
    project.up()
    exported = json.loads(project.pulumi("stack", "export").stdout)
    (key,) = [item for item in exported["deployment"]["resources"] if item["type"] == "aws:iam/accessKey:AccessKey"]
    del key["outputs"]["encryptedSecret"]
    (project.path / "state.json").write_text(json.dumps(exported))
    project.pulumi("stack", "import", "--file", "state.json")

    project.preview()
    for _ in range(2):
        done = project.up(check=False)
        assert done.returncode != 0
        assert f"the access key {key['id']} is active, and nobody has its secret" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr

    assert f"pulumi up --replace '{key['urn']}'" in done.stdout + done.stderr
    project.up("--replace", key["urn"])
    assert project.outputs()["encryptedSecretAccessKey"]
    assert project.outputs()["accessKeyId"] != key["id"]


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
    assert caller(outputs, pair["accessKeyId"], pair["secretAccessKey"]) == outputs["userArn"]
    for text in (shown.stdout, shown.stderr, project.state(), json.dumps(outputs)):
        assert pair["secretAccessKey"] not in text
    project.preview("--expect-no-changes")

    project.configure({"accessKeys": [{"label": "1"}, {"label": "2"}]})
    project.up()

    outputs = project.outputs()
    pair = json.loads(read_store(aws_client, project.accounts.trusted, kind, outputs["secretLocation"]))
    assert pair["accessKeyId"] == outputs["accessKeys"]["2"]["id"]
    assert caller(outputs, pair["accessKeyId"], pair["secretAccessKey"]) == outputs["userArn"]

    project.destroy()
    project.up()  # under the same name, at once
    project.configure({"accessKeys": [{"label": "1", "status": "Inactive"}]})
    project.up()
    assert "accessKeyId" not in project.outputs()
    project.destroy()


class TestStackEncryption:
    """The example of the README: a stack with a passphrase of its own."""

    def test_a_stack_for_real_accounts_with_an_empty_passphrase(self, project):
        project.configure({"endpoint": None})

        done = project.preview(check=False)

        assert done.returncode != 0
        assert "encrypted with the empty passphrase in PULUMI_CONFIG_PASSPHRASE" in done.stdout
        assert "pulumi stack change-secrets-provider passphrase" in done.stdout

    def test_an_empty_passphrase_with_the_configuration_in_another_file(self, project):
        project.configure({"endpoint": None})
        project.stack_file.rename(project.path / "elsewhere.yaml")

        done = project.preview("--config-file", "elsewhere.yaml", check=False)

        assert done.returncode != 0
        assert "encrypted with the empty passphrase in PULUMI_CONFIG_PASSPHRASE" in done.stdout

    def test_a_passphrase_file_that_everybody_knows(self, project, tmp_path):
        file = tmp_path / "passphrase.txt"
        file.write_text("Password\n")
        self.new_passphrase(project, "Password")
        project.configure({"endpoint": None})
        environment = {key: value for key, value in project.environment.items() if key != "PULUMI_CONFIG_PASSPHRASE"}

        done = project.run(
            *("env", "-u", "PULUMI_CONFIG_PASSPHRASE", "pulumi", "preview", "--non-interactive", "--stack", "test"),
            environment=environment | {"PULUMI_CONFIG_PASSPHRASE_FILE": str(file)},
            check=False,
        )

        assert done.returncode != 0
        assert f"encrypted with the well-known passphrase in {file}" in done.stdout

    def test_another_passphrase(self, project):
        project.up()
        secret = project.outputs()["secretAccessKey"]
        self.new_passphrase(project, "correct horse battery staple")

        refused = project.pulumi("stack", "output", "--show-secrets", check=False)
        done = project.run(
            *("pulumi", "stack", "output", "secretAccessKey", "--show-secrets", "--stack", "test"),
            environment={"PULUMI_CONFIG_PASSPHRASE": "correct horse battery staple"},
        )

        assert refused.returncode != 0
        assert "incorrect passphrase" in refused.stderr
        assert done.stdout.strip() == secret

    def test_the_example_of_the_readme(self, project):
        """`pulumi stack init --secrets-provider`, here with the one provider that needs no cloud."""
        secrets = {"PULUMI_CONFIG_PASSPHRASE": "correct horse battery staple"}
        init = ("pulumi", "stack", "init", "prod", "--secrets-provider", "passphrase", "--non-interactive")
        project.run(*init, environment=secrets)
        stack_file = project.path / "Pulumi.prod.yaml"
        stack_file.write_text(yaml.safe_dump(yaml.safe_load(stack_file.read_text()) | {"config": project.config()}))
        for command in ("up --yes --skip-preview", "stack output accessKeyId", "destroy --yes --skip-preview"):
            project.run("pulumi", *command.split(), "--stack", "prod", "--non-interactive", environment=secrets)

        refused = project.run("pulumi", "up", "--yes", "--stack", "prod", "--non-interactive", check=False)

        assert refused.returncode != 0
        assert "incorrect passphrase" in refused.stderr

    def new_passphrase(self, project, passphrase):
        project.run(
            *("pulumi", "stack", "change-secrets-provider", "passphrase", "--stack", "test", "--non-interactive"),
            input=passphrase,
        )
