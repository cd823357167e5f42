"""Removes the inline policies that `revoke` put on the role and its user, before the stack is destroyed."""

from datetime import datetime
from typing import Any

from tools.aws.callers import administrator, sign_in
from tools.aws.keys import moment
from tools.aws.policies import REVOCATION, holder, revocation
from tools.console import agreed, say
from tools.stack import Kind, read_stack


def remove_revocation(stack: str, *, yes: bool) -> bool:
    """Remove what `revoke` put on the role and the user, so that AWS lets them be deleted; return whether to go on.

    Only a policy of exactly that name and shape goes. On real accounts a person agrees first, or ``yes`` does.

    Raises:
        StackError: the stack cannot be read, or an account not be signed in to.
        ClientError: AWS refused a call.
    """
    outputs, config = read_stack(stack)
    found = list[tuple[Kind, str, Any, datetime]]()
    for kind, side in outputs.managed.items():
        iam, name = administrator(side, sign_in(outputs, config)).client("iam"), outputs.name_of(kind)
        if before := revocation(iam, kind, name):
            found.append((kind, name, iam, before))
    if not found:
        return True
    lines = [f"  {REVOCATION} of {kind} {name} ({moment(before)})" for kind, name, _, before in found]
    say("make revoke put these inline policies there. They refuse older sessions, and AWS deletes no role or user")
    say("that has one, so they are removed first:", *lines)
    if not (outputs.terms.endpoint or agreed("Remove them? Older sessions work until the role is deleted.", yes=yes)):
        return False
    for kind, name, iam, _ in found:
        getattr(iam, f"delete_{kind}_policy")(**holder(kind, name), PolicyName=REVOCATION)
    return True
