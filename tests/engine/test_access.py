"""Who gets in, with boto3 and nothing but the stack's outputs: the right one, and nobody else."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

EXTERNAL_ID = "customer-42"
NO_RETRIES = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


def client(service, outputs, access_key_id, secret_access_key, session_token=None):
    return boto3.client(
        service,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        aws_session_token=session_token,
        region_name=outputs["terms"]["trustingRegion"],
        endpoint_url=outputs["terms"]["endpoint"],
        config=NO_RETRIES,
    )


def assume(outputs, external_id=None, sts=None):
    sts = sts or client("sts", outputs, outputs["accessKeyId"], outputs["secretAccessKey"])
    arguments = {"ExternalId": external_id} if external_id else {}
    return sts.assume_role(RoleArn=outputs["roleArn"], RoleSessionName="test", **arguments)["Credentials"]


def assert_refused(call):
    with pytest.raises(ClientError) as refusal:
        call()
    assert refusal.value.response["Error"]["Code"] == "AccessDenied"


@pytest.fixture(scope="module")
def outputs(deployed):
    deployed.configure({"trust": {"externalId": EXTERNAL_ID}})
    deployed.up()
    return deployed.outputs()


def test_the_key_assumes_the_role_and_makes_a_bucket_in_the_trusting_account(deployed, outputs, aws_client):
    keys = assume(outputs, EXTERNAL_ID)
    session = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    bucket = f"bucket-{deployed.accounts.trusting}"

    identity = client("sts", outputs, *session).get_caller_identity()
    client("s3", outputs, *session).create_bucket(Bucket=bucket)

    assert identity["Account"] == deployed.accounts.trusting
    assert identity["Arn"] == f"arn:aws:sts::{deployed.accounts.trusting}:assumed-role/Assume-Role-1/test"
    owned = [item["Name"] for item in aws_client(deployed.accounts.trusting, "s3").list_buckets()["Buckets"]]
    assert owned == [bucket]
    assert aws_client(deployed.accounts.trusted, "s3").list_buckets()["Buckets"] == []


@pytest.mark.parametrize("external_id", [None, "customer-43", EXTERNAL_ID.upper()])
def test_without_the_right_external_id(outputs, external_id):
    assert_refused(lambda: assume(outputs, external_id))


def test_a_user_of_another_account_who_may_assume_anything(deployed, outputs, aws_client):
    assert_refused(lambda: assume(outputs, EXTERNAL_ID, stranger(deployed.accounts.other, outputs, aws_client)))


def test_a_user_of_the_trusted_account_without_the_policy(deployed, outputs, aws_client):
    iam = aws_client(deployed.accounts.trusted, "iam")
    iam.create_user(UserName="colleague")
    key = iam.create_access_key(UserName="colleague")["AccessKey"]
    sts = client("sts", outputs, key["AccessKeyId"], key["SecretAccessKey"])

    assert_refused(lambda: assume(outputs, EXTERNAL_ID, sts))


def test_the_key_by_itself_may_do_nothing_in_its_own_account(outputs):
    s3 = client("s3", outputs, outputs["accessKeyId"], outputs["secretAccessKey"])
    iam = client("iam", outputs, outputs["accessKeyId"], outputs["secretAccessKey"])

    assert_refused(s3.list_buckets)
    assert_refused(iam.list_users)


def test_with_the_assume_policy_detached(deployed, outputs, aws_client):
    iam = aws_client(deployed.accounts.trusted, "iam")
    policy = f"arn:aws:iam::{deployed.accounts.trusted}:policy/Custom-Assume-Role-Policy"
    iam.detach_user_policy(UserName="user-1", PolicyArn=policy)
    try:
        assert_refused(lambda: assume(outputs, EXTERNAL_ID))
    finally:
        iam.attach_user_policy(UserName="user-1", PolicyArn=policy)
    assume(outputs, EXTERNAL_ID)


def stranger(account_id, outputs, aws_client):
    iam = aws_client(account_id, "iam")
    iam.create_user(UserName="stranger")
    iam.put_user_policy(
        UserName="stranger",
        PolicyName="everything",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
    )
    key = iam.create_access_key(UserName="stranger")["AccessKey"]
    return client("sts", outputs, key["AccessKeyId"], key["SecretAccessKey"])
