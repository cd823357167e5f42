"""Where the trusted account keeps the user's key pair, for stacks that do not hand it out themselves."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .models import StoreArgs, StoreKind
from .providers import require_provider


@dataclass(frozen=True, kw_only=True)
class SecretStoreArgs:
    """What a ``SecretStore`` is made from."""

    store: StoreArgs
    description: str
    key_pair: dict[str, pulumi.Output[str]] | None  # accessKeyId and secretAccessKey; None: no key is active


class SecretStore(pulumi.ComponentResource):
    """One key pair, as one JSON value, in Secrets Manager or in Systems Manager's parameter store.

    Creates, under its own name: ``-secret`` and ``-secret-version`` (``aws.secretsmanager``), or ``-parameter``
    (``aws.ssm.Parameter``, a ``SecureString``). While no key is active there is no version and no parameter.
    """

    location: pulumi.Output[str] | None = None
    """The ARN of the secret or parameter; None while there is none."""

    def __init__(self, name: str, args: SecretStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("assume-role:index:SecretStore", name, None, opts)
        child = require_provider(self)
        store = args.store
        pair = pulumi.Output.secret(pulumi.Output.json_dumps(args.key_pair)) if args.key_pair else None
        if store.kind == StoreKind.SECRETS_MANAGER:
            secret = aws.secretsmanager.Secret(
                f"{name}-secret",
                name=store.name,
                description=args.description,
                kms_key_id=store.kms_key_id,
                # The key itself is deleted with the stack, so there is nothing to recover, and a secret that waits for
                # its deletion keeps its name from the next `pulumi up`.
                recovery_window_in_days=0,
                opts=child,
            )
            if pair is not None:
                aws.secretsmanager.SecretVersion(
                    f"{name}-secret-version", secret_id=secret.id, secret_string=pair, opts=child
                )
            self.location = secret.arn
        elif pair is not None:
            self.location = aws.ssm.Parameter(
                f"{name}-parameter",
                name=store.name,
                description=args.description,
                type="SecureString",
                key_id=store.kms_key_id,
                value=pair,
                opts=child,
            ).arn
        self.register_outputs({"location": self.location})
