"""The relationship: a role in the trusting account, and a user in the trusted account who may assume it."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.arns import iam_arn
from components.handover import aws_config, switch_role_url
from components.settings import Settings
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
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self._outputs = {**self._names(settings), **self._keys(args), "terms": self._terms(settings)}
        self.register_outputs(self._outputs)

    def outputs(self) -> dict[str, Any]:
        """Return what the stack exports, by output name. Without an active key there is nothing to hand over."""
        return dict(self._outputs)

    def _names(self, settings: Settings) -> dict[str, pulumi.Input[str]]:
        return {
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

    def _keys(self, args: RelationshipArgs) -> dict[str, pulumi.Output[Any]]:
        """Return the keys: all of them, the one in use (the last that is active), and how to use it."""
        keys = self.user.access_keys
        outputs: dict[str, pulumi.Output[Any]] = {
            "accessKeys": pulumi.Output.secret(
                {
                    label: {"id": key.id, "status": key.status, "secret": pulumi.Output.secret(key.secret)}
                    for label, key in keys.items()
                }
            )
        }
        active = [key.label for key in args.settings.access_keys if key.status == "Active"]
        if not active:
            return outputs
        key = keys[active[-1]]
        secret = pulumi.Output.secret(key.secret)
        return outputs | {
            "accessKeyId": key.id,
            "secretAccessKey": secret,
            "awsConfig": pulumi.Output.all(key.id, secret).apply(
                lambda pair: _handover(args, self.role.arn, access_key_id=pair[0], secret_access_key=pair[1])
            ),
        }

    def _terms(self, settings: Settings) -> dict[str, Any]:
        """Return under which terms the role can be assumed and what it then allows, for whoever checks it."""
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
            "assumePolicy": self.user.assume_policy,
        }
        return {term: value for term, value in terms.items() if value is not None}


def _handover(args: RelationshipArgs, role_arn: str, *, access_key_id: str, secret_access_key: str) -> str:
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
