"""What stands in for the cloud on one machine: a Pulumi CLI, its plugins, and an AWS emulator.

`checkout` says which stacks these are for; any other is left to its user's own Pulumi. The modules here make the
machine ready, and `plugins` has what the engine starts. Nothing of it is part of what is deployed.
"""


class LocalError(Exception):
    """Something on this machine is missing or in the way; the message says what, and what to do."""
