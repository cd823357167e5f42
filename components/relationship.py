"""The relationship: a role in the trusting account, and a user in the trusted account who may assume it."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.arns import iam_arn
from components.handover import aws_config, switch_role_url
from components.secret_store import SecretStore, SecretStoreArgs
from components.settings import SecretStoreSettings, Settings
from components.trusted_user import TrustedUser, TrustedUserArgs
from components.trusting_role import TrustingRole, TrustingRoleArgs


@dataclass(frozen=True, kw_only=True)
class RelationshipArgs:
    """What a ``Relationship`` is made from."""

    settings: Settings
    trusting: aws.Provider  # of the account that hosts the role
    trusted: aws.Provider  # of the account that hosts the user
    profile: str  # name of the AWS profile that is handed over, as "assume-role-dev"


class Relationship(pulumi.ComponentResource):
    """Both halves of an assume-role relationship between two AWS accounts, and what its users need to know of it.

    Creates ``<name>-trusting`` (``TrustingRole``, in the trusting account) and ``<name>-trusted`` (``TrustedUser``,
    in the trusted account). Neither waits for the other.
    """

    role: TrustingRole
    user: TrustedUser

    def __init__(self, name: str, args: RelationshipArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("assume-role:index:Relationship", name, None, opts)
        settings = args.settings
        partition = settings.trusting.partition
        self.role = TrustingRole(
            f"{name}-trusting",
            TrustingRoleArgs(
                provider=args.trusting,
                partition=partition,
                account_id=settings.trusting.account_id,
                trusted_account_id=settings.trusted.account_id,
                role=settings.role,
                trust=settings.trust,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.user = TrustedUser(
            f"{name}-trusted",
            TrustedUserArgs(
                provider=args.trusted,
                partition=partition,
                account_id=settings.trusted.account_id,
                role_arn=self.role.arn,
                user=settings.user,
                access_keys=settings.access_keys,
                pgp_key=settings.pgp_key,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self._outputs = {**self._names(settings), **self._keys(name, args), "terms": self._terms(settings)}
        self.register_outputs(self._outputs)

    def outputs(self) -> dict[str, Any]:
        """Return what the stack exports, by output name. Without an active key there is nothing to hand over."""
        return dict(self._outputs)

    def _names(self, settings: Settings) -> dict[str, pulumi.Input[str]]:
        names: dict[str, pulumi.Input[str] | None] = {
            "roleArn": self.role.role_arn,
            "roleName": self.role.role_name,
            "userArn": self.user.user_arn,
            "userName": self.user.user_name,
            "trustingAccountId": settings.trusting.account_id,
            "trustedAccountId": settings.trusted.account_id,
            "switchRoleUrl": switch_role_url(
                partition=settings.trusting.partition,
                account_id=settings.trusting.account_id,
                role_path=settings.role.path,
                role_name=settings.role.name,
            ),
        }
        return {name: value for name, value in names.items() if value is not None}

    def _keys(self, name: str, args: RelationshipArgs) -> dict[str, pulumi.Output[Any]]:
        """Return the keys: all of them, the one in use (the last that is active), and how to use it."""
        keys, settings = self.user.access_keys, args.settings
        outputs: dict[str, pulumi.Output[Any]] = {
            "accessKeys": pulumi.Output.secret({label: _key_output(key, settings) for label, key in keys.items()})
        }
        active = [keys[key.label] for key in settings.access_keys if key.status == "Active"]
        current = active[-1] if active else None
        if settings.secret_store is not None:
            store = self._store(f"{name}-secret-store", args, settings.secret_store, current)
            if store.location is not None:
                outputs["secretLocation"] = store.location
        if current is None:
            return outputs
        outputs["accessKeyId"] = current.id
        secret: pulumi.Output[str | None] = pulumi.Output.from_input(None)
        if settings.pgp_key:
            outputs["encryptedSecretAccessKey"] = current.encrypted_secret
        elif not settings.secret_store:
            secret = outputs["secretAccessKey"] = pulumi.Output.secret(current.secret)
        outputs["awsConfig"] = pulumi.Output.secret(
            pulumi.Output.all(current.id, secret).apply(lambda pair: _handover(args, self.role.arn, *pair))
        )
        return outputs

    def _store(
        self, name: str, args: RelationshipArgs, store: SecretStoreSettings, key: aws.iam.AccessKey | None
    ) -> SecretStore:
        pair = {"accessKeyId": key.id, "secretAccessKey": pulumi.Output.secret(key.secret)} if key else None
        return SecretStore(
            name,
            SecretStoreArgs(
                provider=args.trusted,
                store=store,
                description=f"The access key of IAM user {args.settings.user.name}, which may assume {self.role.arn}.",
                key_pair=pulumi.Output.json_dumps(pair) if pair else None,
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _terms(self, settings: Settings) -> dict[str, Any]:
        """Return under which terms the role can be assumed and what it then allows, for whoever checks it."""
        boundaries = {"role": settings.role.permissions_boundary, "user": settings.user.permissions_boundary}
        terms = {
            "partition": settings.trusting.partition,
            "trustingRegion": settings.trusting.region,
            "trustedRegion": settings.trusted.region,
            "endpoint": settings.endpoint,
            "externalId": settings.trust.external_id,
            "requireMfa": settings.trust.require_mfa,
            "mfaMaxAge": settings.trust.mfa_max_age,
            "maxSessionDuration": settings.role.max_session_duration,
            "trustPolicy": self.role.trust_policy,
            "permissionPolicy": self.role.permission_policy,
            "managedPolicies": settings.role.managed_policies or None,
            "assumePolicy": self.user.assume_policy,
            "policyNames": {"role": settings.role.policy.name, "user": settings.user.policy_name},
            "permissionsBoundaries": {side: arn for side, arn in boundaries.items() if arn},
            "tags": dict(settings.tags),
        }
        return {term: value for term, value in terms.items() if value is not None}


def _key_output(key: aws.iam.AccessKey, settings: Settings) -> dict[str, pulumi.Output[Any]]:
    """Return what the outputs say of one key: with its secret only where the stack is what hands it out."""
    shown: dict[str, pulumi.Output[Any]] = {"id": key.id, "status": key.status}
    if settings.pgp_key:
        shown["encryptedSecret"] = key.encrypted_secret
    elif not settings.secret_store:
        shown["secret"] = pulumi.Output.secret(key.secret)
    return shown


def _handover(args: RelationshipArgs, role_arn: str, access_key_id: str, secret_access_key: str | None) -> str:
    settings = args.settings
    mfa_serial = iam_arn(
        "mfa",
        partition=settings.trusted.partition,
        account_id=settings.trusted.account_id,
        path="/",
        name=settings.user.name,
    )
    return aws_config(
        profile=args.profile,
        access_key_id=access_key_id,
        secret_access_key=secret_access_key,
        role_arn=role_arn,
        trusting_region=settings.trusting.region,
        trusted_region=settings.trusted.region,
        external_id=settings.trust.external_id,
        mfa_serial=mfa_serial if settings.trust.require_mfa else None,
        endpoint=settings.endpoint,
    )
