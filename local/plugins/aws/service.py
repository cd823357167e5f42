"""The gRPC service that the Pulumi engine calls: translates requests into calls of a resource type, and answers.

Protocol: https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

# ruff: noqa: N802, ARG002 - the methods have the names and parameters of the protocol

import functools
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final, NoReturn, ParamSpec, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty

from local.plugins.aws import keys, policies, principals, stores
from local.plugins.aws.errors import OperationError, explained, gone_is_fine
from local.plugins.aws.resource import (
    DEFAULTS,
    MissingError,
    Resource,
    UnfinishedError,
    difference,
    filled_in,
    input_errors,
    planned,
    without_marks,
)
from local.plugins.aws.session import Account, ConfigurationError, connect, uncovered
from local.plugins.aws.wire import Properties, decode, encode
from local.plugins.protocol import plugin_pb2, provider_pb2_grpc, status_pb2
from local.plugins.protocol import provider_pb2 as proto

TYPES: Final[Mapping[str, Resource]] = principals.TYPES | policies.TYPES | keys.TYPES | stores.TYPES

P = ParamSpec("P")
R = TypeVar("R")


def _reported(method: Callable[P, R]) -> Callable[P, R]:
    """Answer the engine with the sentence of an error, without a stack trace."""

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (OperationError, ConfigurationError) as error:
            context: Any = args[2]
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
            raise

    return wrapper


class AwsPlugin(provider_pb2_grpc.ResourceProviderServicer):
    """One configured provider: the engine starts a process for each."""

    def __init__(self) -> None:
        self._account: Account | None = None

    # The plugin and its configuration

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the version of the installed SDK package, which asks for this plugin."""
        return plugin_pb2.PluginInfo(version=version("pulumi-aws"))

    def CheckConfig(self, request: proto.CheckRequest, context: grpc.ServicerContext) -> proto.CheckResponse:
        """Return the provider's configuration unchanged: Configure judges it."""
        return proto.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: proto.DiffRequest, context: grpc.ServicerContext) -> proto.DiffResponse:
        """Report changed configuration as an update: the resources stay what they are."""
        old, new = decode(request.old_inputs), decode(request.news)
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        some, none = proto.DiffResponse.DIFF_SOME, proto.DiffResponse.DIFF_NONE
        return proto.DiffResponse(changes=some if changed else none, diffs=changed)

    @_reported
    def Configure(self, request: proto.ConfigureRequest, context: grpc.ServicerContext) -> proto.ConfigureResponse:
        """Connect; the engine reports a failure on the first resource that uses the provider."""
        self._account = connect(decode(request.args))
        return proto.ConfigureResponse(supportsPreview=True)

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """Let running calls end: they are short, and an object whose creation was cut off would be lost."""
        return Empty()

    # Resources

    @_reported
    def Check(self, request: proto.CheckRequest, context: grpc.ServicerContext) -> proto.CheckResponse:
        """Fill in the inputs, and refuse what this plugin cannot carry out."""
        resource = _resource(request.type)
        inputs = filled_in(resource, decode(request.news), self._connected().default_tags)
        failures = [
            proto.CheckFailure(property=key, reason=text) for key, text in input_errors(request.type, resource, inputs)
        ]
        return proto.CheckResponse(inputs=encode(inputs), failures=failures)

    @_reported
    def Diff(self, request: proto.DiffRequest, context: grpc.ServicerContext) -> proto.DiffResponse:
        """Compare the recorded outputs with the new inputs."""
        return difference(_resource(request.type), decode(request.olds), decode(request.news))

    @_reported
    def Create(self, request: proto.CreateRequest, context: grpc.ServicerContext) -> proto.CreateResponse:
        """Create an object; report one whose creation failed halfway with its id, so that the engine records it."""
        resource = _resource(request.type)
        inputs = decode(request.properties)
        if request.preview:
            return proto.CreateResponse(properties=encode(planned(resource, inputs, {}), resource.secrets))
        account = self._connected()
        identifier, known = "", without_marks(inputs)
        try:
            with explained("creating", resource, resource.name_of(inputs)):
                try:
                    identifier, created = resource.create(account, inputs)
                    known |= created
                except UnfinishedError as unfinished:
                    identifier, known = unfinished.identifier, known | unfinished.outputs
                    raise unfinished.__cause__ or unfinished from None
                outputs = resource.read(account, identifier, known)
        except OperationError as error:
            if not identifier:
                raise
            _abort_unfinished(context, resource, identifier, outputs=known, inputs=inputs, why=str(error))
        return proto.CreateResponse(id=identifier, properties=encode(outputs, resource.secrets))

    @_reported
    def Read(self, request: proto.ReadRequest, context: grpc.ServicerContext) -> proto.ReadResponse:
        """Read an object for refresh, where an empty id says that it is gone, or for import, where that is an error."""
        resource = _resource(request.type)
        known, marked = decode(request.properties), decode(request.inputs)
        with explained("reading", resource, request.id):
            outputs = _unless_absent(lambda: resource.read(self._connected(), request.id, known))
        if outputs is None and known:
            return proto.ReadResponse()
        if outputs is None:
            raise OperationError(
                f"importing {resource.label} ({request.id}): not found in this account. It is imported by its "
                f"{resource.id_form}"
            )
        inputs = {key: outputs[key] for key in resource.inputs if key in outputs}
        if DEFAULTS in marked:
            inputs[DEFAULTS] = marked[DEFAULTS]
        if "tagsAll" in marked and "tagsAll" in outputs:
            inputs["tagsAll"] = outputs["tagsAll"]
        return proto.ReadResponse(
            id=request.id,
            properties=encode(outputs, resource.secrets),
            inputs=encode(inputs, resource.secrets),
        )

    @_reported
    def Update(self, request: proto.UpdateRequest, context: grpc.ServicerContext) -> proto.UpdateResponse:
        """Change an object in place.

        A failure is answered as the official plugin answers it: with the new values as outputs. So the next update,
        which the engine asks for because of the error, sends nothing: https://github.com/pulumi/pulumi/issues/21458
        """
        resource = _resource(request.type)
        old, new = decode(request.olds), decode(request.news)
        if request.preview:
            return proto.UpdateResponse(properties=encode(planned(resource, new, old), resource.secrets))
        account = self._connected()
        known = {key: old[key] for key in resource.outputs if key in old} | without_marks(new)
        try:
            with explained("updating", resource, request.id):
                resource.update(account, request.id, old, new)
                outputs = resource.read(account, request.id, known)
        except OperationError as error:
            _abort_unfinished(context, resource, request.id, outputs=known, inputs=new, why=str(error))
        return proto.UpdateResponse(properties=encode(outputs, resource.secrets))

    @_reported
    def Delete(self, request: proto.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        """Delete an object; one that is gone already is a success."""
        resource = _resource(request.type)
        old = decode(request.properties)
        with explained("deleting", resource, request.id):
            _unless_absent(lambda: resource.delete(self._connected(), request.id, old))
        return Empty()

    # What this plugin does not do

    @_reported
    def GetSchema(self, request: proto.GetSchemaRequest, context: grpc.ServicerContext) -> proto.GetSchemaResponse:
        """Say why no code can be generated: the official plugin's schema has a hundred megabytes."""
        raise ConfigurationError(
            "the stand-in AWS plugin has no schema to generate code from: use `pulumi import` with "
            "--generate-code=false (what an import listed as imported before this message is in the stack)"
        )

    @_reported
    def Invoke(self, request: proto.InvokeRequest, context: grpc.ServicerContext) -> proto.InvokeResponse:
        """Refuse every function, by name."""
        raise ConfigurationError(uncovered(f"the function {request.tok}"))

    def _connected(self) -> Account:
        if self._account is None:
            raise ConfigurationError("the engine used the AWS provider before it configured it")
        return self._account


def _resource(token: str) -> Resource:
    if token not in TYPES:
        raise ConfigurationError(uncovered(f"the resource type {token}"))
    return TYPES[token]


def _unless_absent(call: Callable[[], R]) -> R | None:
    with suppress(MissingError), gone_is_fine():
        return call()
    return None


def _abort_unfinished(
    context: grpc.ServicerContext,
    resource: Resource,
    identifier: str,
    *,
    outputs: Properties,
    inputs: Properties,
    why: str,
) -> NoReturn:
    """Answer with an error that carries the object, so that the engine records it and tries again."""
    unfinished = proto.ErrorResourceInitFailed(
        id=identifier,
        properties=encode(outputs, resource.secrets),
        inputs=encode(inputs, resource.secrets),
        reasons=[why],
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=why)
    status.details.add().Pack(unfinished)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, why)
