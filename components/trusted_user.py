"""The half of the relationship that lives in the trusted account: steps 5 to 8."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.arns import iam_arn, known_arn
from components.policies import PolicyDocument, assume_policy
from components.settings import AccessKeySettings, UserSettings


@dataclass(frozen=True, kw_only=True)
class TrustedUserArgs:
    """What a ``TrustedUser`` is made from."""

    provider: aws.Provider  # of the trusted account; two providers cannot travel in ResourceOptions.providers
    partition: str  # of both accounts, as "aws"
    account_id: str  # the trusted account, which hosts the user
    role_arn: str  # the one role the user may assume; it need not exist yet
    user: UserSettings
    access_keys: tuple[AccessKeySettings, ...]  # oldest first
    pgp_key: str | None = None  # base64; the secrets are then encrypted to it, and nothing else has them


class TrustedUser(pulumi.ComponentResource):
    """A user that may assume one role of another account and do nothing else, and the user's access keys.

    Creates, under its own name: ``-user`` (``aws.iam.User``), ``-user-policy`` (``aws.iam.Policy``),
    ``-user-policy-attachment`` (``aws.iam.UserPolicyAttachment``) and a ``-key-<label>`` (``aws.iam.AccessKey``) for
    each label. A new name of the user replaces it with all that hangs on it.
    """

    user_arn: pulumi.Output[str]
    """The user's ARN; known in a preview."""
    user_name: pulumi.Output[str]
    access_keys: dict[str, aws.iam.AccessKey]
    """The access keys by label, in the order given."""
    assume_policy: PolicyDocument

    def __init__(self, name: str, args: TrustedUserArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("assume-role:index:TrustedUser", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, provider=args.provider)
        self.assume_policy = assume_policy(args.role_arn)

        self.user = aws.iam.User(
            f"{name}-user",
            name=args.user.name,
            path=args.user.path,
            permissions_boundary=args.user.permissions_boundary,
            force_destroy=args.user.force_destroy,
            # AWS can rename a user in place, but the provider then looks for its key and attachments under the old
            # name and loses them: https://github.com/pulumi/pulumi-aws/issues/1610
            opts=pulumi.ResourceOptions(parent=self, provider=args.provider, replace_on_changes=["name"]),
        )
        self.policy = aws.iam.Policy(
            f"{name}-user-policy",
            name=args.user.policy_name,
            policy=json.dumps(self.assume_policy),
            opts=child,
        )
        policy_arn = iam_arn(
            "policy",
            partition=args.partition,
            account_id=args.account_id,
            path="/",
            name=args.user.policy_name,
        )
        # UserPolicyAttachment and not PolicyAttachment: that one detaches the policy from everybody else.
        self.attachment = aws.iam.UserPolicyAttachment(
            f"{name}-user-policy-attachment",
            user=self.user.name,
            policy_arn=known_arn(policy_arn, self.policy),
            opts=child,
        )
        self.access_keys = {
            key.label: aws.iam.AccessKey(
                f"{name}-key-{key.label}",
                user=self.user.name,
                status=key.status,
                pgp_key=args.pgp_key,
                opts=child,
            )
            for key in args.access_keys
        }

        self.user_name = self.user.name
        self.user_arn = known_arn(
            iam_arn(
                "user",
                partition=args.partition,
                account_id=args.account_id,
                path=args.user.path,
                name=args.user.name,
            ),
            self.user,
        )
        self.register_outputs({"userArn": self.user_arn, "userName": self.user_name})
