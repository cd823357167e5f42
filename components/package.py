"""The three components as a Pulumi package, for programs in every language: the models are its schema.

https://www.pulumi.com/docs/iac/using-pulumi/extending-pulumi/build-a-component/
"""

import inspect
import re
from types import SimpleNamespace
from typing import Optional, cast, get_type_hints

import pulumi
from pulumi.errors import InputPropertiesError, InputPropertyErrorDetails
from pulumi.provider import ConstructResult
from pulumi.provider.experimental.analyzer import ComponentDefinition
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .iam import NAMESPACE
from .relationship import Relationship
from .trusted_user import TrustedUser
from .trusting_role import TrustingRole
from .validation import Model, key_path, outputs_in, whole

COMPONENTS: list[type[pulumi.ComponentResource]] = [Relationship, TrustingRole, TrustedUser]


class Package(ComponentProvider):
    """Makes the components on behalf of a program, and says what is wrong with their arguments by its names for them.

    Namespace and version are not said here: Pulumi takes them from the address and the tag of the repository.
    """

    def __init__(self) -> None:
        for component in COMPONENTS:  # the schema takes what they say, but not Python's indentation and exceptions
            component.__doc__ = (inspect.getdoc(component) or "").partition("\n\nRaises:")[0]
        for model in Model.__subclasses__():
            model.__annotations__ = _annotations(model)
        super().__init__(COMPONENTS, NAMESPACE)
        # What is generated from the schema appends Args to the names of inputs: these have it already.
        self.schema = re.sub(r'(assume-role:index:\w+)Args"', r'\1"', str(self.schema))

    def map_inputs(self, inputs: pulumi.Inputs, component_def: ComponentDefinition) -> pulumi.Inputs:  # noqa: ARG002
        """Leave the names of the arguments as they are: the models take the schema's, and then speak of those."""
        return inputs

    def construct(
        self, name: str, resource_type: str, inputs: pulumi.Inputs, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Make a component.

        Raises:
            InputPropertiesError: the arguments or the providers are wrong; it names every error.
        """
        if hidden := [key_path(place) for place in outputs_in(inputs) if place[:2] != ("role", "policy")]:
            # As text, not as properties: of those, the engine shows the values.
            raise InputPropertiesError(
                f"{', '.join(hidden)}: only role.policy takes secrets and outputs of other resources, since a preview "
                "shows all else whole. Give a plain value",
                [],
            )
        try:
            return super().construct(name, resource_type, cast("pulumi.Inputs", whole(inputs)), options)
        except ComponentInitError as error:
            match error.inner:
                case ValidationError() as invalid:
                    raise InputPropertiesError("", [_problem(details) for details in invalid.errors()]) from error
                case pulumi.RunError() as refused:
                    raise InputPropertiesError(str(refused), []) from error
                case _:
                    raise


def _annotations(model: type[Model]) -> dict[str, object]:
    """Return a model's types as Pulumi's analyzer reads them: without rules, and optional where there is a default."""
    types = get_type_hints(SimpleNamespace(__annotations__=inspect.get_annotations(model)))
    return {
        name: types[name] if field.is_required() else Optional[types[name]]  # noqa: UP045 - a value at run time
        for name, field in model.model_fields.items()
    }


def _problem(details: ErrorDetails) -> InputPropertyErrorDetails:
    return {"property_path": key_path(details["loc"]), "reason": details["msg"].removeprefix("Value error, ")}
