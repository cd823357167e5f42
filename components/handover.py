"""What people need to use a relationship: an AWS config file, a console link, the page of the stack. Pure functions."""

from collections.abc import Mapping
from urllib.parse import urlencode

from .iam.limits import MAX_SESSION_NAME_LENGTH
from .iam.names import profile_name
from .models import AccountArgs, RoleArgs
from .relationship_args import RelationshipArgs

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


def aws_config(args: RelationshipArgs, profile: str, label: str, access_key_id: str, secret: str | None) -> str:
    """Return the text of an AWS config file with two profiles, ready to append to ``~/.aws/config``.

    ``profile`` acts as the role and is the one to use; ``profile``-user holds the key that it starts from. Where the
    secret is not to be had here (None), a comment in the text says how to add it.
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html
    """
    trusting, trusted = args.trusting, args.trusted
    # Half a key pair in a profile is an error to AWS tools, so without the secret neither half is there.
    user = {
        "aws_access_key_id": access_key_id if secret else None,
        "aws_secret_access_key": secret,
        "region": trusted.region,
        "endpoint_url": args.endpoint,
    }
    role = {
        "role_arn": args.trusted_user.role_arn,
        "source_profile": f"{profile}-user",
        # What CloudTrail shows. AWS tools keep a session by it, so a new key needs a new name: with the former one they
        # use the old key's session for up to twelve hours.
        "role_session_name": f"{args.user.name}-{label}"[-MAX_SESSION_NAME_LENGTH:],
        "duration_seconds": str(args.role.max_session_duration),
        "external_id": args.trust.external_id,
        "mfa_serial": trusted.arn("mfa", args.user.name) if args.trust.require_mfa else None,
        "region": trusting.sts_region,
        "endpoint_url": args.endpoint,
    }
    text = _section(f"profile {profile}-user", user) + "\n"
    if not secret:
        text = (
            f"# Give the profile {profile}-user its key pair, once you have read the secret. This asks for it:\n"
            f"#   aws configure --profile {profile}-user     (access key id: {access_key_id})\n{text}"
        )
    if trusting.sts_region != trusting.region:
        text += (
            f"# AWS tools sign in where the profile's region is: {trusting.sts_region}, enabled in every account.\n"
            f"# To work in {trusting.region}: --region {trusting.region}\n"
        )
    return text + _section(f"profile {profile}", role)


def _section(name: str, entries: dict[str, str | None]) -> str:
    lines = [f"{key} = {value}" for key, value in entries.items() if value is not None]
    return "\n".join([f"[{name}]", *lines, ""])


def switch_role_url(trusting: AccountArgs, role: RoleArgs) -> str | None:
    """Return the link with which console users of the trusted account take the role.

    It serves users and roles that sign in to the console and may assume the role, not the stack's own user: that one
    has a key and no console password. None in partitions whose console is not on the public internet.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-console.html
    """
    host = CONSOLE_HOSTS.get(trusting.partition)
    query = urlencode({"account": trusting.account_id, "roleName": f"{role.path}{role.name}".lstrip("/")})
    return f"https://{host}/switchrole?{query}" if host else None


def stack_readme(stack: str, values: Mapping[str, str], *, emulated: bool) -> str:
    """Return the output ``readme``, Markdown that Pulumi Cloud shows on the page of the stack.

    It holds the values of the outputs themselves, because ``pulumi stack output readme`` fills in no placeholders, and
    says nothing of those that are missing.
    https://www.pulumi.com/docs/intro/pulumi-cloud/projects-and-stacks/#stack-readme
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
