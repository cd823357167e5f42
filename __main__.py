"""The program: configuration -> one relationship -> stack outputs."""

import os

import pulumi

from components.configuration import PROJECT_FOLDER, load_settings
from components.models import NAMESPACE
from components.relationship import Relationship
from components.stack_encryption import refuse_weak_passphrase

settings = load_settings()
if settings.endpoint is None:
    refuse_weak_passphrase(PROJECT_FOLDER / f"Pulumi.{pulumi.get_stack()}.yaml", os.environ)
for warning in settings.warnings():
    pulumi.log.warn(warning)

for output, value in Relationship(NAMESPACE, settings).outputs().items():
    pulumi.export(output, value)
