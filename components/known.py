"""Values that are known in a preview, although what they belong to does not exist yet."""

import pulumi


def known(value: str, resource: pulumi.CustomResource) -> pulumi.Output[str]:
    """Return a value as an output of a resource: known in a preview, yet whoever uses it waits for the resource."""
    return resource.urn.apply(lambda _: value)
