"""The text of the stack's output ``readme``, which Pulumi Cloud shows on the stack's page. A pure function.

https://www.pulumi.com/docs/intro/pulumi-cloud/projects-and-stacks/#stack-readme
"""

from collections.abc import Collection


def stack_readme(stack: str, outputs: Collection[str], *, emulated: bool) -> str:
    """Return what a stack's page says of it, as Markdown.

    Pulumi fills in the other outputs where ``${outputs.NAME}`` stands. No secret is among those: everybody who may
    look at the stack reads this text.

    Args:
        stack: name of the stack.
        outputs: names of the stack's other outputs: what is not among them is not mentioned.
        emulated: whether an emulator stands in for AWS.
    """
    profile = f"assume-role-{stack}"
    by_output = {
        "accessKeyId": "- Access key in use: `${outputs.accessKeyId}`",
        "secretLocation": "- The key pair is kept in `${outputs.secretLocation}`",
        "switchRoleUrl": "- In the console: ${outputs.switchRoleUrl}",
        "awsConfig": f"- Use it: `make profile STACK={stack}`, `aws sts get-caller-identity --profile {profile}`",
    }
    lines = [
        "# ${outputs.userName} may assume ${outputs.roleName}",
        "",
        "User `${outputs.userArn}` may assume role `${outputs.roleArn}`.",
        *(["The accounts are pretend: an emulator stands in for AWS."] if emulated else []),
        "",
        *(line for output, line in by_output.items() if output in outputs),
        f"- Prove it: `make verify STACK={stack}`",
        f"- A new key for the old one: `make rotate STACK={stack}`",
        f"- The key leaked: `make revoke STACK={stack}`, at once",
    ]
    return "\n".join([*lines, ""])
