"""After an update that AWS refused, plain `pulumi up` fails until the state is refreshed: it never reports success."""

import json

import pytest

from tests.proxy import Fault

READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
CHANGES = {
    "UpdateAssumeRolePolicy": ({"trust": {"externalId": "relationship-7"}}, "assume-role-trusting-role"),
    "CreatePolicyVersion": ({"role": {"policy": {"file": READ}}}, "assume-role-trusting-role-policy"),
    "UpdateAccessKey": ({"accessKeys": [{"label": "1", "status": "Inactive"}]}, "assume-role-trusted-key-1"),
}


def deployed(standing, aws_client):
    """Return what AWS has of everything that these changes are about."""
    trusting, trusted = (aws_client(getattr(standing.accounts, side), "iam") for side in ("trusting", "trusted"))
    role = trusting.get_role(RoleName="Assume-Role-1")["Role"]
    (policy,) = trusting.list_policies(Scope="Local")["Policies"]
    (key,) = trusted.list_access_keys(UserName="user-1")["AccessKeyMetadata"]
    return [
        role["AssumeRolePolicyDocument"],
        trusting.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])["PolicyVersion"],
        key["Status"],
    ]


@pytest.mark.parametrize("call", CHANGES)
def test_no_success_without_a_change_in_aws(standing, proxy, aws_client, call):
    settings, name = CHANGES[call]
    standing.stand_behind(proxy.url)
    standing.configure(settings)
    proxy.plan(call, Fault.DENY)
    assert "AccessDenied" in standing.up(check=False).stdout
    before = json.dumps(deployed(standing, aws_client), default=str)

    if call == "UpdateAssumeRolePolicy":  # another change of the same resource does not hide it
        standing.configure({"role": {"description": "changed meanwhile"}})
    again = standing.up(check=False)
    assert again.returncode != 0
    assert f"the last update of {name} failed. Pulumi's state has its new " in again.stdout
    assert "pulumi up --refresh" in again.stdout
    assert json.dumps(deployed(standing, aws_client), default=str) == before

    standing.up("--refresh")
    assert json.dumps(deployed(standing, aws_client), default=str) != before
