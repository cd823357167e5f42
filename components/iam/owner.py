"""The owner tag: it says on a resource itself which relationship of which stack made it."""

OWNER_TAG = "assume-role:owner"


def owner(organization: str, project: str, stack: str, relationship: str) -> str:
    """Return the value of the owner tag.

    Args:
        organization: the Pulumi organization; ``organization`` for a stack that is not in Pulumi Cloud.
        project: name of the Pulumi project.
        stack: name of the stack, without organization and project.
        relationship: logical name of the ``Relationship``.
    """
    return f"{organization}/{project}/{stack}/{relationship}"
