"""The program: settings -> two providers, one per account -> one relationship -> stack outputs."""

import pulumi

from components.providers import account_provider
from components.relationship import Relationship, RelationshipArgs
from components.settings import load_settings

settings = load_settings()
for warning in settings.warnings():
    pulumi.log.warn(warning)

relationship = Relationship(
    "assume-role",
    RelationshipArgs(
        settings=settings,
        trusting=account_provider("trusting", settings.trusting, settings),
        trusted=account_provider("trusted", settings.trusted, settings),
        profile=f"assume-role-{pulumi.get_stack()}",
    ),
)
for output, value in relationship.outputs().items():
    pulumi.export(output, value)
