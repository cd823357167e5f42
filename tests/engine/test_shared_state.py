"""What a team shares: state and locks in an S3 bucket, secrets under a KMS key, stacks that are found by their tags."""

import os
import signal
import subprocess

import pytest


@pytest.fixture
def team(project, accounts, aws_client):
    """Return the project as a team has it, and a client of the bucket: nothing of it is on this machine."""
    bucket = f"state-{accounts.other}"
    s3 = aws_client(accounts.other, "s3")
    s3.create_bucket(Bucket=bucket)
    key = aws_client(accounts.other, "kms").create_key()["KeyMetadata"]["KeyId"]
    where = f"region=us-east-1&endpoint={project.endpoint}"
    project.environment.update(
        {
            "PULUMI_BACKEND_URL": f"s3://{bucket}?{where}&s3ForcePathStyle=true",
            "AWS_ACCESS_KEY_ID": accounts.other,
            "AWS_SECRET_ACCESS_KEY": "any",
        }
    )
    del project.environment["PULUMI_CONFIG_PASSPHRASE"]
    project.run("pulumi", "stack", "init", "test", f"--secrets-provider=awskms://{key}?{where}", "--non-interactive")

    def objects():
        listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed}

    return project, objects


def test_one_at_a_time_by_a_lock_no_secret_in_plain_and_found_by_tags(team, wait_until):
    project, objects = team
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack=test"]
    first = subprocess.Popen(command, cwd=project.path, env=project.environment, stdout=subprocess.DEVNULL)
    wait_until(lambda: any("/locks/" in name for name in objects()))
    os.kill(first.pid, signal.SIGSTOP)

    second = project.up(check=False)
    os.kill(first.pid, signal.SIGCONT)

    assert second.returncode != 0
    assert "the stack is currently locked by 1 lock(s)" in second.stdout + second.stderr
    assert first.wait() == 0
    project.configure({"endpoint": None})  # the state has it: the tools leave a real stack's environment as it is
    verify = ("-m", "tools", "verify", "--stack", "test")
    assert project.python(*verify, environment={"PULUMI_HOME": str(project.path / "home")}).returncode == 0
    secret = project.outputs()["secretAccessKey"].encode()
    held = objects()
    assert ".pulumi/stacks/assume-role/test.json" in held
    assert not any("/locks/" in name for name in held)
    assert not any(secret in content for content in held.values())
    # The engine's setting `pulumi:tags` reaches Pulumi Cloud only (3.259): this backend knows what is set by hand.
    project.pulumi("stack", "tag", "set", "customer", "acme")
    found = [project.run("pulumi", "stack", "ls", "--tag", f"customer={name}").stdout for name in ("acme", "other")]
    assert ["test" in names for names in found] == [True, False]
