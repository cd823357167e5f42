"""What people need to use a relationship: an AWS config file, a console link, the page of the stack. Pure functions."""

from collections.abc import Mapping
from urllib.parse import urlencode

from .iam.limits import MAX_SESSION_NAME_LENGTH
from .iam.names import profile_name

# The outputs that the page of the stack names, no secrets.
README_NAMES = (
    *("userName", "roleName", "userArn", "roleArn", "trustedAccountId"),
    *("accessKeyId", "secretLocation", "switchRoleUrl"),
)
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
    session_name: str,
    session_seconds: int,
    trusting_region: str,
    sts_region: str,
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
        session_name: what CloudTrail shows. AWS tools keep a session by it, so a new key needs a new name: with the
            former one they use the old key's session for up to twelve hours.
        session_seconds: how long a session lasts.
        trusting_region: where the role is used.
        sts_region: where AWS tools sign in, which is the region of the role's profile.
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
        "role_session_name": session_name[-MAX_SESSION_NAME_LENGTH:],
        "duration_seconds": str(session_seconds),
        "external_id": external_id,
        "mfa_serial": mfa_serial,
        "region": sts_region,
        "endpoint_url": endpoint,
    }
    hint = "" if secret_access_key else _key_hint(profile, access_key_id)
    elsewhere = "" if sts_region == trusting_region else _region_hint(trusting_region, sts_region)
    return hint + _section(f"profile {profile}-user", user) + "\n" + elsewhere + _section(f"profile {profile}", role)


def _key_hint(profile: str, access_key_id: str) -> str:
    return (
        f"# Give the profile {profile}-user its key pair, once you have read the secret. This asks for it:\n"
        f"#   aws configure --profile {profile}-user     (access key id: {access_key_id})\n"
    )


def _region_hint(trusting_region: str, sts_region: str) -> str:
    return (
        f"# AWS tools sign in where the profile's region is, so it is {sts_region}, which every account has enabled.\n"
        f"# To work in {trusting_region}: --region {trusting_region}\n"
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


def stack_readme(stack: str, values: Mapping[str, str], *, emulated: bool) -> str:
    """Return the output ``readme``, Markdown that Pulumi Cloud shows on the page of the stack.

    It holds the values themselves, because ``pulumi stack output readme`` fills in no placeholders.
    https://www.pulumi.com/docs/intro/pulumi-cloud/projects-and-stacks/#stack-readme

    Args:
        stack: name of the stack.
        values: outputs that are no secrets, by name. It says nothing of those that are missing.
        emulated: whether an emulator stands in for AWS.
    """
    principal = f"User `{values['userArn']}`" if "userArn" in values else f"Account `{values['trustedAccountId']}`"
    lines = [
        f"# {values.get('userName', 'Another account')} may assume {values['roleName']}",
        "",
        f"{principal} may assume role `{values['roleArn']}`.",
        *(["The accounts are emulated: no AWS account is touched."] if emulated else []),
        "",
    ]
    if key_id := values.get("accessKeyId"):
        profile = profile_name(stack)
        lines += [
            f"- Access key in use: `{key_id}`",
            f"- Use it: `make profile STACK={stack}`, `aws sts get-caller-identity --profile {profile}`",
        ]
    if location := values.get("secretLocation"):
        lines.append(f"- The key pair is kept in `{location}`")
    if url := values.get("switchRoleUrl"):
        lines.append(f"- In the console: {url}")
    lines.append(f"- Prove it: `make verify STACK={stack}`")
    if key_id:
        lines.append(f"- Replace the key: `make rotate STACK={stack}`")
    lines.append(f"- If a key or a session leaked: `make revoke STACK={stack}`, at once")
    return "\n".join([*lines, ""])
