"""What stands in for the cloud on one machine: a Pulumi CLI, its plugins, and an embedded AWS.

Nothing here runs for a stack without ``endpoint``, and nothing here is part of what is deployed.
"""


class LocalError(Exception):
    """Something on this machine is missing or in the way; the message says what, and what to do."""
