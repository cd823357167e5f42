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

from local.plugins.aws import iam, keys, stores
from local.plugins.aws.resource import (
    MissingError,
    Resource,
    difference,
    explained,
    filled_in,
    gone_is_fine,
    planned,
)
from local.plugins.aws.session import Account, PluginError, connect, uncovered
from local.plugins.aws.wire import Properties, decode, encode
from local.plugins.protocol import plugin_pb2, provider_pb2_grpc, status_pb2
from local.plugins.protocol import provider_pb2 as proto

TYPES: Final[Mapping[str, Resource]] = iam.TYPES | keys.TYPES | stores.TYPES

P = ParamSpec("P")
R = TypeVar("R")


def _reported(method: Callable[P, R]) -> Callable[P, R]:
    """Answer the engine with the sentence of an error, without a stack trace."""

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except PluginError as error:
            context: Any = args[2]
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
            raise

    return wrapper


class AwsPlugin(provider_pb2_grpc.ResourceProviderServicer):
    """One configured provider: the engine starts a process for each."""

    _account: Account

    # The plugin and its configuration

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the version of the installed SDK package, which asks for this plugin."""
        return plugin_pb2.PluginInfo(version=version("pulumi-aws"))

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

    # Resources

    @_reported
    def Check(self, request: proto.CheckRequest, context: grpc.ServicerContext) -> proto.CheckResponse:
        """Fill in the inputs, and refuse what this plugin cannot carry out."""
        resource = _resource(request.type)
        given = decode(request.news)
        failures = [
            proto.CheckFailure(property=key, reason=uncovered(f"{key} of {request.type}"))
            for key in sorted(given.keys() - resource.inputs.keys() - {"tagsAll"})
        ]
        inputs = filled_in(resource, given, self._account.default_tags)
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
        identifier, known = "", inputs
        try:
            with explained("creating", resource, inputs.get(next(iter(resource.inputs)), "")):
                identifier, created = resource.create(self._account, inputs)
                known = inputs | created
                resource.finish(self._account, identifier, known)
                outputs = resource.read(self._account, identifier, known)
        except PluginError as error:
            if not identifier:
                raise
            _abort_unfinished(context, resource, identifier, outputs=known, inputs=inputs, why=str(error))
        return proto.CreateResponse(id=identifier, properties=encode(outputs, resource.secrets))

    @_reported
    def Read(self, request: proto.ReadRequest, context: grpc.ServicerContext) -> proto.ReadResponse:
        """Read an object for refresh, where an empty id says that it is gone, or for import, where that is an error."""
        resource = _resource(request.type)
        known = decode(request.properties)
        outputs: Properties = {}
        with explained("reading", resource, request.id), suppress(MissingError), gone_is_fine():
            outputs = resource.read(self._account, request.id, known)
        if known and not outputs:
            return proto.ReadResponse()
        if not outputs:
            raise PluginError(
                f"importing {resource.label} ({request.id}): not found in this account. It is imported by its "
                f"{resource.id_form}"
            )
        inputs = {key: outputs[key] for key in (*resource.inputs, "tagsAll") if key in outputs}
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
        known = {key: old[key] for key in resource.outputs if key in old} | new
        try:
            with explained("updating", resource, request.id):
                resource.update(self._account, request.id, old, new)
                outputs = resource.read(self._account, request.id, known)
        except PluginError as error:
            _abort_unfinished(context, resource, request.id, outputs=known, inputs=new, why=str(error))
        return proto.UpdateResponse(properties=encode(outputs, resource.secrets))

    @_reported
    def Delete(self, request: proto.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        """Delete an object; one that is gone already is a success."""
        resource = _resource(request.type)
        old = decode(request.properties)
        with explained("deleting", resource, request.id), suppress(MissingError), gone_is_fine():
            resource.delete(self._account, request.id, old)
        return Empty()

    # What this plugin does not do

    @_reported
    def GetSchema(self, request: proto.GetSchemaRequest, context: grpc.ServicerContext) -> proto.GetSchemaResponse:
        """Say why no code can be generated: the official plugin's schema has a hundred megabytes."""
        raise PluginError(
            "the stand-in AWS plugin has no schema to generate code from: use `pulumi import` with "
            "--generate-code=false (what an import listed as imported before this message is in the stack)"
        )

    @_reported
    def Invoke(self, request: proto.InvokeRequest, context: grpc.ServicerContext) -> proto.InvokeResponse:
        """Refuse every function, by name."""
        raise PluginError(uncovered(f"the function {request.tok}"))


def _resource(token: str) -> Resource:
    if token not in TYPES:
        raise PluginError(uncovered(f"the resource type {token}"))
    return TYPES[token]


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
