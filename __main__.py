"""The program: configuration -> one relationship -> stack outputs."""

import os

import pulumi

from components.configuration import PROJECT_FOLDER, ignored_settings, load_settings, stack_config
from components.models import NAMESPACE
from components.relationship import Relationship
from components.stack_encryption import refuse_weak_passphrase
from components.stack_readme import stack_readme

settings = load_settings()
if settings.endpoint is None:
    refuse_weak_passphrase(PROJECT_FOLDER / f"Pulumi.{pulumi.get_stack()}.yaml", os.environ)
for warning in (*ignored_settings(stack_config()), *settings.warnings()):
    pulumi.log.warn(warning)

outputs = Relationship(NAMESPACE, settings).outputs()
for output, value in outputs.items():
    pulumi.export(output, value)
pulumi.export("readme", stack_readme(pulumi.get_stack(), outputs, emulated=settings.endpoint is not None))
