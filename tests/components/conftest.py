"""The program without an engine: runs `__main__.py` on Pulumi's mocks and records what it asks the engine for."""

import asyncio
import functools
import json
import runpy
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
import pulumi
import pytest
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import resource_pb2

ROOT = Path(__file__).resolve().parents[2]
PROJECT, STACK = "assume-role", "prod"
TRUSTING, TRUSTED = "111122223333", "444455556666"
ACCOUNTS = {
    "trusting": {"accountId": TRUSTING, "profile": "trusting-admin"},
    "trusted": {"accountId": TRUSTED, "profile": "trusted-admin"},
}
# Every setting away from its default, but the endpoint and the partition.
EVERYTHING: dict[str, Any] = {
    "trusting": {
        "accountId": TRUSTING,
        "profile": "trusting-admin",
        "region": "eu-west-1",
        "assumeRoleArn": f"arn:aws:iam::{TRUSTING}:role/Deploy",
    },
    "trusted": {
        "accountId": TRUSTED,
        "profile": "trusted-admin",
        "region": "ap-south-1",
        "assumeRoleArn": f"arn:aws:iam::{TRUSTED}:role/Deploy",
    },
    "role": {
        "name": "Auditor",
        "path": "/audit/",
        "description": "Reads what the auditors need.",
        "maxSessionDuration": 7200,
        "permissionsBoundary": f"arn:aws:iam::{TRUSTING}:policy/Boundary",
        "policy": {"name": "Auditor-Permissions", "file": "policies/s3-full-access.json"},
        "managedPolicies": {"audit": "arn:aws:iam::aws:policy/SecurityAudit"},
    },
    "trust": {
        "externalId": "relationship-7",
        "requireMfa": True,
        "mfaMaxAge": 900,
        "principalArns": [f"arn:aws:iam::{TRUSTED}:user/people/*"],
        "organizationId": "o-a1b2c3d4e5",
        "sourceIps": ["203.0.113.0/24", "2001:db8::/32"],
    },
    "user": {
        "name": "alice",
        "path": "/people/",
        "permissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess",
        "policyName": "Alice-May-Audit",
        "forceDestroy": True,
    },
    "accessKeys": [{"label": "spring"}, {"label": "autumn"}],
    "tags": {"team": "audit", "cost center": "42"},
}


def key_of(label: str) -> tuple[str, str]:
    """Return what AWS makes up for the access key with a label: its id and its secret, in AWS's alphabets."""
    return f"AKIA{label.upper():X>16}", f"wJalrXUtnFEMI/K7MDENG+bPxRfiCY{label:/>10}"


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One resource as the program registered it."""

    type: str
    name: str
    urn: str
    parent: str  # name of the parent, empty for the stack
    provider: str  # name of the explicit provider, empty without one
    inputs: dict[str, Any]
    request: resource_pb2.RegisterResourceRequest  # everything else, as ignoreChanges


class Output(NamedTuple):
    """One stack output after everything has been created."""

    value: Any
    secret: bool
    known: bool


@dataclass(kw_only=True)
class Recorded:
    """What one run of the program did."""

    resources: list[Registration] = field(default_factory=list)
    component_outputs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # component's name -> outputs
    outputs: dict[str, Output] = field(default_factory=dict)
    arns: dict[str, str] = field(default_factory=dict)  # logical name -> the ARN that AWS gave it
    calls: list[str] = field(default_factory=list)  # invokes

    def named(self, name: str) -> Registration:
        """Return the resource with a logical name, which must exist once."""
        (found,) = [resource for resource in self.resources if resource.name == name]
        return found

    def all(self, resource_type: str) -> list[Registration]:
        return [resource for resource in self.resources if resource.type == resource_type]

    def one(self, resource_type: str) -> Registration:
        (found,) = self.all(resource_type)
        return found

    def document(self, name: str) -> Any:
        """Return the policy document that a role or a policy was given."""
        inputs = self.named(name).inputs
        return json.loads(inputs["assumeRolePolicy" if "assumeRolePolicy" in inputs else "policy"])

    def terms(self, relationship: str = PROJECT) -> Any:
        return dict(self.component_outputs)[relationship]["terms"]

    def values(self) -> dict[str, Any]:
        return {name: output.value for name, output in self.outputs.items()}


@functools.cache
def partition_of(region: str) -> str:
    """Return the partition of a region, by AWS's own list."""
    return botocore.session.get_session().get_partition_for_region(region)


class AwsMocks(pulumi.runtime.Mocks):
    """AWS's answers: an ARN is in the account and the partition of the provider that made the resource."""

    def __init__(self, recorded: Recorded, *, preview: bool, marks_secrets: bool) -> None:
        self.recorded = recorded
        self.preview = preview
        self.marks_secrets = marks_secrets

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        self.recorded.calls.append(args.token)
        return {}, None

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        inputs = args.inputs
        if self.preview:  # what AWS would answer is not there yet
            return "", dict(inputs)
        match args.typ:
            case "aws:iam/role:Role" | "aws:iam/user:User" | "aws:iam/policy:Policy":
                kind = args.typ.rsplit(":", 1)[1].lower()
                arn = f"arn:{self._owner(args)}:{kind}{inputs.get('path', '/')}{inputs['name']}"
                self.recorded.arns[args.name] = arn
                return (arn if kind == "policy" else inputs["name"]), {**inputs, "arn": arn}
            case "aws:iam/accessKey:AccessKey":
                key_id, secret = key_of(args.name.rsplit("-", 1)[1])
                if "pgpKey" in inputs:  # AWS's provider then has no secret to tell
                    return key_id, {**inputs, "encryptedSecret": f"for the reader of {key_id}"}
                return key_id, {**inputs, "secret": pulumi.Output.secret(secret) if self.marks_secrets else secret}
            case "aws:s3/bucket:Bucket":
                return args.name, {**inputs, "arn": f"arn:aws:s3:::{args.name}"}
            case "aws:secretsmanager/secret:Secret":
                arn = f"arn:{self._owner(args, 'secretsmanager')}:secret:{inputs['name']}-AbCdEf"
                return arn, {**inputs, "arn": arn}
            case "aws:ssm/parameter:Parameter":
                arn = f"arn:{self._owner(args, 'ssm')}:parameter/{inputs['name'].lstrip('/')}"
                return inputs["name"], {**inputs, "arn": arn}
            case _:
                return f"{args.name}-id", dict(inputs)

    def _owner(self, args: pulumi.runtime.MockResourceArgs, service: str = "iam") -> str:
        provider = self.recorded.named(_name(args.provider or ""))
        (account,) = json.loads(provider.inputs["allowedAccountIds"])
        region = provider.inputs["region"]
        return f"{partition_of(region)}:{service}:{'' if service == 'iam' else region}:{account}"


def _name(reference: str) -> str:
    """Return the logical name in a URN, or in a provider's reference (URN::id)."""
    parts = reference.split("::")
    return parts[3] if len(parts) > 3 else ""


class RecordingMonitor(MockMonitor):
    """The engine's side of the conversation. Pulumi calls it on several threads."""

    def __init__(self, recorded: Recorded, mocks: AwsMocks) -> None:
        super().__init__(mocks)
        self.recorded = recorded
        self.lock = threading.Lock()

    def RegisterResource(  # noqa: N802 - Pulumi's name
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        if request.type != "pulumi:pulumi:Stack":
            registration = Registration(
                type=request.type,
                name=request.name,
                urn=self.make_urn(request.parent, request.type, request.name),
                parent=_name(request.parent) if "pulumi:pulumi:Stack::" not in request.parent else "",
                provider=_name(request.provider),
                inputs=rpc.deserialize_properties(request.object),
                request=request,
            )
            with self.lock:
                self.recorded.resources.append(registration)
        return super().RegisterResource(request)

    def RegisterResourceOutputs(  # noqa: N802 - Pulumi's name
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> object:
        with self.lock:
            self.recorded.component_outputs.append((_name(request.urn), rpc.deserialize_properties(request.outputs)))
        return super().RegisterResourceOutputs(request)


@functools.cache
def ensure_event_loop() -> None:
    """Give Pulumi's mocks an event loop, once: Python 3.13 warns before it makes one, and 3.14 makes none."""
    asyncio.set_event_loop(asyncio.new_event_loop())


def record(
    program: Callable[[], object],
    config: Mapping[str, object] | None = None,
    *,
    preview: bool = False,
    marks_secrets: bool = True,
) -> Recorded:
    """Run something that makes resources, wait for all of them, and return what it registered and exported.

    Args:
        program: what makes the resources.
        config: the stack's configuration, by key without namespace.
        preview: whether what AWS would answer is unknown. Then an ``apply`` on it does not run.
        marks_secrets: whether the provider's answer says that a key's secret is one.
    """
    recorded = Recorded()
    encoded = {f"{PROJECT}:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in (config or {}).items()}
    pulumi.runtime.set_all_config(encoded, [])
    mocks = AwsMocks(recorded, preview=preview, marks_secrets=marks_secrets)
    monitor = RecordingMonitor(recorded, mocks)
    ensure_event_loop()
    pulumi.runtime.set_mocks(mocks, PROJECT, STACK, preview=preview, monitor=monitor, organization="organization")
    exports: dict[str, object] = {}

    @pulumi.runtime.test
    def run() -> Awaitable[None]:
        # There is no root stack here, and without one Pulumi drops exports.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pulumi, "export", exports.__setitem__)
            program()
        return settle()

    async def settle() -> None:
        for name, value in exports.items():
            output = pulumi.Output.from_input(value)
            recorded.outputs[name] = Output(await output.future(), await output.is_secret(), await output.is_known())

    run()
    return recorded


@pytest.fixture(scope="session")
def run_program():
    def run(*, preview=False, marks_secrets=True, **config):
        def program():
            runpy.run_path(str(ROOT / "__main__.py"))

        return record(program, {**ACCOUNTS, **config}, preview=preview, marks_secrets=marks_secrets)

    return run


@pytest.fixture(scope="session")
def default(run_program):
    """Return what the program does with nothing configured but the two accounts."""
    return run_program()


@pytest.fixture(scope="session")
def configured(run_program):
    """Return what the program does with everything configured."""
    return run_program(**EVERYTHING)


@pytest.fixture(autouse=True, scope="session")
def _no_configuration_left_behind():
    yield
    pulumi.runtime.set_all_config({}, [])
