"""The program: configuration -> one relationship -> stack outputs."""

import os
from functools import partial

import pulumi

from components.configuration import PROJECT_FOLDER, ignored_settings, load_settings, stack_config
from components.handover import README_NAMES, stack_readme
from components.iam import NAMESPACE
from components.relationship import Relationship
from components.stack_encryption import refuse_weak_passphrase

settings = load_settings()
if settings.endpoint is None:
    refuse_weak_passphrase(PROJECT_FOLDER / f"Pulumi.{pulumi.get_stack()}.yaml", os.environ)
for warning in (*ignored_settings(stack_config()), *settings.warnings()):
    pulumi.log.warn(warning)

outputs = Relationship(NAMESPACE, settings).outputs()
outputs.pop("terms")  # they stay in the state, as outputs of the component: see Relationship.outputs
for output, value in outputs.items():
    pulumi.export(output, value)
readme = partial(stack_readme, pulumi.get_stack(), emulated=settings.endpoint is not None)
named = {name: outputs[name] for name in README_NAMES if name in outputs}
pulumi.export("readme", pulumi.Output.all(**named).apply(readme))
