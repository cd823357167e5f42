"""What a deployed stack tells its tools, made up: one factory, for all tests that need no engine."""

from typing import Any

from tools.stack import Outputs

TRUSTING, TRUSTED = "111122223333", "444455556666"
KEY, OLD_KEY = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def policy(**statement: object) -> dict[str, Any]:
    """Return a policy of one statement, which allows."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def trust(**condition: dict[str, object]) -> dict[str, Any]:
    """Return a trust policy for the trusted account, under conditions, if there are any."""
    named = {"Principal": {"AWS": f"arn:aws:iam::{TRUSTED}:root"}, "Action": "sts:AssumeRole"}
    return policy(**named, **({"Condition": condition} if condition else {}))


def printed_outputs(
    *, role: str = "Assume-Role-1", user: str = "user-1", terms: dict[str, Any] | None = None, **changes: object
) -> dict[str, Any]:
    """Return the outputs of a stack with two keys, as `pulumi stack output --json --show-secrets` prints them.

    Args:
        role: name of the role, which stands in more than one output.
        user: name of the user, as well.
        terms: those of the terms that are not the default's.
        changes: outputs by their names, instead of the default's.
    """
    role_arn = f"arn:aws:iam::{TRUSTING}:role/{role}"
    default_terms = {
        "partition": "aws",
        "trustingRegion": "us-east-1",
        "trustedRegion": "eu-west-1",
        "requireMfa": False,
        "maxSessionDuration": 5400,
        "trustPolicy": trust(),
        "permissionPolicy": policy(Action="s3:*", Resource="*"),
        "assumePolicy": policy(Action="sts:AssumeRole", Resource=role_arn),
        "policyNames": {"role": "Custom-Policy-For-Role-1", "user": "Custom-Assume-Role-Policy"},
        "permissionsBoundaries": {},
        "tags": {},
    }
    return {
        "roleArn": role_arn,
        "roleName": role,
        "userArn": f"arn:aws:iam::{TRUSTED}:user/{user}",
        "userName": user,
        "trustingAccountId": TRUSTING,
        "trustedAccountId": TRUSTED,
        "switchRoleUrl": f"https://signin.aws.amazon.com/switchrole?account={TRUSTING}&roleName={role}",
        "accessKeyId": KEY,
        "secretAccessKey": SECRET,
        "accessKeys": {
            "old": {"id": OLD_KEY, "status": "Inactive", "secret": SECRET},
            "new": {"id": KEY, "status": "Active", "secret": SECRET},
        },
        "awsConfig": f"[profile assume-role-prod-user]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n",
        "terms": default_terms | (terms or {}),
    } | changes


def outputs(*, role: str = "Assume-Role-1", user: str = "user-1", **changes: Any) -> Outputs:
    """Return the same as the tools read it."""
    return Outputs.model_validate(printed_outputs(role=role, user=user, **changes))
