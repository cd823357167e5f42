"""The program: settings -> two providers, one per account -> one relationship -> stack outputs."""

import os

import pulumi

from components.configuration import load_settings
from components.relationship import Relationship, RelationshipArgs
from components.settings import PROJECT_FOLDER
from components.stack_encryption import refuse_weak_passphrase

settings = load_settings()
if settings.endpoint is None:
    refuse_weak_passphrase(PROJECT_FOLDER / f"Pulumi.{pulumi.get_stack()}.yaml", os.environ)
for warning in settings.warnings():
    pulumi.log.warn(warning)

relationship = Relationship(
    "assume-role",
    RelationshipArgs(
        settings=settings,
        profile=f"assume-role-{pulumi.get_stack()}",
    ),
)
for output, value in relationship.outputs().items():
    pulumi.export(output, value)
