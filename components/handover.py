"""What the person who gets the key needs to use it: an AWS config file text, and a console link. Pure functions."""

from urllib.parse import urlencode

CONSOLE_HOSTS = {
    "aws": "signin.aws.amazon.com",
    "aws-cn": "signin.amazonaws.cn",
    "aws-us-gov": "signin.amazonaws-us-gov.com",
}


def aws_config(
    *,
    profile: str,
    access_key_id: str,
    secret_access_key: str | None,
    role_arn: str,
    trusting_region: str,
    trusted_region: str,
    external_id: str | None = None,
    mfa_serial: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Return the text of an AWS config file with two profiles, ready to append to ``~/.aws/config``.

    ``profile`` acts as the role and is the one to use; ``profile``-user holds the key that it starts from. Where the
    secret is not to be had here, a comment in the text says how to add it.
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html

    Args:
        profile: name of the profile that acts as the role.
        access_key_id: the user's access key.
        secret_access_key: its secret; None where the stack does not have it in plain text, or does not hand it out.
        role_arn: the role to assume.
        trusting_region: region of the role's profile.
        trusted_region: region of the key's profile.
        external_id: what the role's trust policy asks for, if anything.
        mfa_serial: the user's MFA device, if the role asks for one; AWS tools then ask for its code.
        endpoint: the emulator that stands in for AWS, if one does.
    """
    # Half a key pair in a profile is an error to AWS tools, so without the secret neither half is there.
    user = {
        "aws_access_key_id": access_key_id if secret_access_key else None,
        "aws_secret_access_key": secret_access_key,
        "region": trusted_region,
        "endpoint_url": endpoint,
    }
    role = {
        "role_arn": role_arn,
        "source_profile": f"{profile}-user",
        "external_id": external_id,
        "mfa_serial": mfa_serial,
        "region": trusting_region,
        "endpoint_url": endpoint,
    }
    hint = "" if secret_access_key else _key_hint(profile, access_key_id)
    return hint + _section(f"profile {profile}-user", user) + "\n" + _section(f"profile {profile}", role)


def _key_hint(profile: str, access_key_id: str) -> str:
    return (
        f"# Give the profile {profile}-user its key pair, once you have read the secret. This asks for it:\n"
        f"#   aws configure --profile {profile}-user     (access key id: {access_key_id})\n"
    )


def _section(name: str, entries: dict[str, str | None]) -> str:
    lines = [f"{key} = {value}" for key, value in entries.items() if value is not None]
    return "\n".join([f"[{name}]", *lines, ""])


def switch_role_url(*, partition: str, account_id: str, role_path: str, role_name: str) -> str | None:
    """Return the link with which console users of the trusted account take the role.

    It serves users and roles that sign in to the console and may assume the role, not the stack's own user: that one
    has a key and no console password.

    None in partitions whose console is not on the public internet.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-console.html
    """
    host = CONSOLE_HOSTS.get(partition)
    if host is None:
        return None
    query = urlencode({"account": account_id, "roleName": f"{role_path}{role_name}".lstrip("/")})
    return f"https://{host}/switchrole?{query}"
