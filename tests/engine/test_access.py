"""What the stack's key opens, with boto3 and nothing but the outputs. tests/trust has who else gets in."""

import pytest
from botocore.exceptions import ClientError

EXTERNAL_ID = "customer-42"


def assume(outputs, sts, external_id=None):
    arguments = {"ExternalId": external_id} if external_id else {}
    return sts.assume_role(RoleArn=outputs["roleArn"], RoleSessionName="test", **arguments)["Credentials"]


def assert_refused(call):
    with pytest.raises(ClientError) as refusal:
        call()
    assert refusal.value.response["Error"]["Code"] == "AccessDenied"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory, next_accounts, make_project):
    project = make_project(tmp_path_factory.mktemp("deployed"), next_accounts())
    project.configure({"trust": {"externalId": EXTERNAL_ID}})
    project.up()
    return project


@pytest.fixture(scope="module")
def outputs(deployed):
    return deployed.outputs()


@pytest.fixture
def user(outputs, aws_client):
    """Return a function that makes a client of a service with the key of the stack's user."""
    return lambda service: aws_client(outputs["accessKeyId"], service, outputs["secretAccessKey"])


def test_the_key_assumes_the_role_and_makes_a_bucket_in_the_trusting_account(deployed, outputs, user, aws_client):
    keys = assume(outputs, user("sts"), EXTERNAL_ID)
    key_id, *secrets = keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
    bucket = f"bucket-{deployed.accounts.trusting}"

    identity = aws_client(key_id, "sts", *secrets).get_caller_identity()
    aws_client(key_id, "s3", *secrets).create_bucket(Bucket=bucket)

    assert (deployed.terms()["endpoint"], deployed.terms()["trustingRegion"]) == (deployed.endpoint, "us-east-1")
    assert identity["Account"] == deployed.accounts.trusting
    assert identity["Arn"] == f"arn:aws:sts::{deployed.accounts.trusting}:assumed-role/Assume-Role-1/test"
    owned = [item["Name"] for item in aws_client(deployed.accounts.trusting, "s3").list_buckets()["Buckets"]]
    assert owned == [bucket]
    assert aws_client(deployed.accounts.trusted, "s3").list_buckets()["Buckets"] == []


@pytest.mark.parametrize("external_id", [None, "customer-43", EXTERNAL_ID.upper()])
def test_without_the_right_external_id(outputs, user, external_id):
    assert_refused(lambda: assume(outputs, user("sts"), external_id))


def test_the_key_by_itself_may_do_nothing_in_its_own_account(user):
    assert_refused(user("s3").list_buckets)
    assert_refused(user("iam").list_users)
