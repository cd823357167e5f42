"""The resource types of AWS Secrets Manager and Systems Manager's parameter store."""

# ruff: noqa: ARG002 - the methods have the parameters of `Resource`

from typing import Final

from local.plugins.aws.resource import Input, MissingError, Resource
from local.plugins.aws.session import Account
from local.plugins.aws.shapes import change_tags
from local.plugins.aws.wire import Properties

# Days; 0 deletes at once. https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
RECOVERY_WINDOW: Final = 30


class Secret(Resource):
    """Secrets. The id is the ARN."""

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """CreateSecret."""
        return account.client("secretsmanager").create_secret(**self.sent(inputs))["ARN"], {}

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """DescribeSecret; one that is waiting for its deletion is missing."""
        secret = account.client("secretsmanager").describe_secret(SecretId=identifier)
        if secret.get("DeletedDate"):
            raise MissingError
        return self.outputs_from(secret, account, known)

    def update(self, account: Account, identifier: str, old: Properties, new: Properties) -> None:
        """Make the calls for what changed, and no others."""
        manager = account.client("secretsmanager")
        if self.changed(old, new).keys() & {"description", "kmsKeyId"}:
            key = {"KmsKeyId": new["kmsKeyId"]} if new.get("kmsKeyId") else {}
            manager.update_secret(SecretId=identifier, Description=new.get("description", ""), **key)
        change_tags(old, new, manager.untag_resource, manager.tag_resource, SecretId=identifier)

    def delete(self, account: Account, identifier: str, old: Properties) -> None:
        """DeleteSecret, after the recovery window; a window of 0 days deletes at once."""
        days = old.get("recoveryWindowInDays", RECOVERY_WINDOW)
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        account.client("secretsmanager").delete_secret(SecretId=identifier, **how)


class SecretVersion(Resource):
    """Values of secrets. The id is `secret's ARN|version id`."""

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """PutSecretValue."""
        version = account.client("secretsmanager").put_secret_value(**self.sent(inputs))
        return f"{inputs['secretId']}|{version['VersionId']}", {}

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """GetSecretValue."""
        secret, _, version = identifier.rpartition("|")
        value = account.client("secretsmanager").get_secret_value(SecretId=secret, VersionId=version)
        return self.outputs_from(value | {"SecretId": secret}, account, known)

    def delete(self, account: Account, identifier: str, old: Properties) -> None:
        """Take the version's labels away, so that AWS drops it; the current one stays until its secret is deleted."""
        secret, _, version = identifier.rpartition("|")
        manager = account.client("secretsmanager")
        for stage in manager.describe_secret(SecretId=secret)["VersionIdsToStages"].get(version, []):
            if stage != "AWSCURRENT":
                manager.update_secret_version_stage(SecretId=secret, VersionStage=stage, RemoveFromVersionId=version)


class Parameter(Resource):
    """Parameters. The id is the name."""

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """PutParameter."""
        account.client("ssm").put_parameter(**self.sent(inputs))
        return inputs["name"], {}

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """GetParameter, DescribeParameters (description and key) and ListTagsForResource."""
        ssm = account.client("ssm")
        parameter = ssm.get_parameter(Name=identifier, WithDecryption=True)["Parameter"]
        named = ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [identifier]}])
        tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=identifier)["TagList"]
        described = next(iter(named["Parameters"]), Properties())
        return self.outputs_from({**described, **parameter, "Tags": tags}, account, known)

    def update(self, account: Account, identifier: str, old: Properties, new: Properties) -> None:
        """Make the calls for what changed, and no others. AWS takes no tags in a put that overwrites."""
        ssm = account.client("ssm")
        if self.changed(old, new).keys() - {"tags", "tagsAll"}:
            values = self.sent(new)
            del values["Tags"]
            ssm.put_parameter(**values, Overwrite=True)
        untag, tag = ssm.remove_tags_from_resource, ssm.add_tags_to_resource
        change_tags(old, new, untag, tag, ResourceType="Parameter", ResourceId=identifier)

    def delete(self, account: Account, identifier: str, old: Properties) -> None:
        """DeleteParameter."""
        account.client("ssm").delete_parameter(Name=identifier)


TYPES: Final = {
    "aws:secretsmanager/secret:Secret": Secret(
        service="Secrets Manager",
        label="Secrets Manager Secret",
        id_form="ARN",
        inputs={
            "name": Input("Name", replaces=True),
            "description": Input("Description"),
            "kmsKeyId": Input("KmsKeyId"),
            "recoveryWindowInDays": Input(default=RECOVERY_WINDOW),
            "tags": Input(),
        },
        outputs={"arn": "ARN"},
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": SecretVersion(
        service="Secrets Manager",
        label="Secrets Manager Secret Version",
        id_form="SECRET-ARN|VERSION-ID",
        inputs={
            "secretId": Input("SecretId", replaces=True),
            "secretString": Input("SecretString", replaces=True),
        },
        outputs={"arn": "ARN", "secretArn": "ARN", "versionId": "VersionId", "versionStages": "VersionStages"},
        secrets=frozenset({"secretString"}),
    ),
    "aws:ssm/parameter:Parameter": Parameter(
        service="SSM",
        label="SSM Parameter",
        id_form="name",
        inputs={
            "name": Input("Name", replaces=True),
            "type": Input("Type"),
            "value": Input("Value"),
            "description": Input("Description"),
            "keyId": Input("KeyId", default="alias/aws/ssm"),
            "tags": Input(),
        },
        outputs={"arn": "ARN", "version": "Version"},
        secrets=frozenset({"value"}),
    ),
}
