"""The resource types of AWS Secrets Manager and Systems Manager's parameter store."""

from typing import Final, cast

from local.plugins.aws.resource import Input, MissingError, Resource, UnfinishedError
from local.plugins.aws.session import Account
from local.plugins.aws.shapes import change_tags, renamed, tag_list, tag_outputs
from local.plugins.aws.wire import Properties

# Days; 0 deletes at once. https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
RECOVERY_WINDOW: Final = 30


# Secret


def create_secret(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """CreateSecret; the id is the ARN."""
    secret = account.secretsmanager.create_secret(
        Name=inputs["name"],
        Tags=tag_list(inputs.get("tagsAll", {})),
        **renamed(inputs, Description="description", KmsKeyId="kmsKeyId"),
    )
    return secret["ARN"], {}


def read_secret(account: Account, identifier: str, known: Properties) -> Properties:
    """DescribeSecret; one that is waiting for its deletion is missing."""
    secret = account.secretsmanager.describe_secret(SecretId=identifier)
    if secret.get("DeletedDate"):
        raise MissingError
    return {
        "name": secret["Name"],
        "arn": secret["ARN"],
        "recoveryWindowInDays": known.get("recoveryWindowInDays", RECOVERY_WINDOW),
        **renamed(secret, description="Description", kmsKeyId="KmsKeyId"),
        **tag_outputs(secret.get("Tags", []), account, known),
    }


def update_secret(account: Account, identifier: str, old: Properties, new: Properties) -> None:
    """Make the calls for what changed, and no others."""
    manager = account.secretsmanager
    if any(old.get(key) != new.get(key) for key in ("description", "kmsKeyId")):
        manager.update_secret(
            SecretId=identifier, Description=new.get("description", ""), **renamed(new, KmsKeyId="kmsKeyId")
        )
    change_tags(old, new, manager.untag_resource, manager.tag_resource, SecretId=identifier)


def delete_secret(account: Account, identifier: str, old: Properties) -> None:
    """DeleteSecret, after the recovery window; a window of 0 days deletes at once."""
    days = old.get("recoveryWindowInDays", RECOVERY_WINDOW)
    if days:
        account.secretsmanager.delete_secret(SecretId=identifier, RecoveryWindowInDays=days)
    else:
        account.secretsmanager.delete_secret(SecretId=identifier, ForceDeleteWithoutRecovery=True)


# Secret version


def create_secret_version(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """PutSecretValue; the id is `secret's ARN|version id`."""
    version = account.secretsmanager.put_secret_value(SecretId=inputs["secretId"], SecretString=inputs["secretString"])
    return f"{inputs['secretId']}|{version['VersionId']}", {}


def read_secret_version(account: Account, identifier: str, _known: Properties) -> Properties:
    """GetSecretValue."""
    secret, separator, version = identifier.rpartition("|")
    if not separator:
        raise ValueError(f"{identifier!r} is not the id of a secret version: it must be SECRET-ARN|VERSION-ID")
    value = account.secretsmanager.get_secret_value(SecretId=secret, VersionId=version)
    return {
        "secretId": secret,
        "secretString": value["SecretString"],
        "arn": value["ARN"],
        "secretArn": value["ARN"],
        "versionId": value["VersionId"],
        "versionStages": value.get("VersionStages", []),
    }


def delete_secret_version(account: Account, identifier: str, _old: Properties) -> None:
    """Take the version's labels away, so that AWS drops it; the current one lives as long as its secret."""
    secret, _, version = identifier.rpartition("|")
    stages = account.secretsmanager.describe_secret(SecretId=secret).get("VersionIdsToStages", {})
    for stage in stages.get(version, []):
        if stage != "AWSCURRENT":
            account.secretsmanager.update_secret_version_stage(
                SecretId=secret, VersionStage=stage, RemoveFromVersionId=version
            )


# Parameter


def put_parameter(account: Account, values: Properties, *, overwrite: bool) -> None:
    """PutParameter."""
    account.ssm.put_parameter(
        Name=values["name"],
        Type=values["type"],
        Value=values["value"],
        Overwrite=overwrite,
        **renamed(values, Description="description", KeyId="keyId"),
    )


def create_parameter(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """PutParameter and AddTagsToResource (AWS takes no tags in a put that may overwrite); the id is the name."""
    name = inputs["name"]
    put_parameter(account, inputs, overwrite=inputs.get("overwrite", False))
    try:
        if tags := inputs.get("tagsAll"):
            account.ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=tag_list(tags))
    except Exception as error:
        raise UnfinishedError(name, {}) from error
    return name, {}


def read_parameter(account: Account, identifier: str, known: Properties) -> Properties:
    """GetParameter, DescribeParameters (description and key) and ListTagsForResource."""
    ssm = account.ssm
    parameter = cast("Properties", ssm.get_parameter(Name=identifier, WithDecryption=True)["Parameter"])
    described = ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [identifier]}])[
        "Parameters"
    ]
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=identifier)["TagList"]
    return {
        "name": parameter["Name"],
        "type": parameter["Type"],
        "value": parameter["Value"],
        "arn": parameter["ARN"],
        "version": parameter["Version"],
        **({"overwrite": known["overwrite"]} if "overwrite" in known else {}),
        **renamed(described[0] if described else {}, description="Description", keyId="KeyId"),
        **tag_outputs(tags, account, known),
    }


def update_parameter(account: Account, identifier: str, old: Properties, new: Properties) -> None:
    """Make the calls for what changed, and no others."""
    wanted = {"keyId": old.get("keyId")} | new  # where none is given, AWS's choice stands
    if any(old.get(key) != wanted.get(key) for key in ("type", "value", "description", "keyId")):
        put_parameter(account, new, overwrite=True)
    untag, tag = account.ssm.remove_tags_from_resource, account.ssm.add_tags_to_resource
    change_tags(old, new, untag, tag, ResourceType="Parameter", ResourceId=identifier)


def delete_parameter(account: Account, identifier: str, _old: Properties) -> None:
    """DeleteParameter."""
    account.ssm.delete_parameter(Name=identifier)


TYPES: Final = {
    "aws:secretsmanager/secret:Secret": Resource(
        service="Secrets Manager",
        label="Secrets Manager Secret",
        id_form="ARN",
        inputs={
            "name": Input(replaces=True, auto_name=True),
            "description": Input(),
            "kmsKeyId": Input(),
            "recoveryWindowInDays": Input(default=RECOVERY_WINDOW),
            "tags": Input(),
        },
        outputs=("arn",),
        create=create_secret,
        read=read_secret,
        update=update_secret,
        delete=delete_secret,
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Resource(
        service="Secrets Manager",
        label="Secrets Manager Secret Version",
        id_form="SECRET-ARN|VERSION-ID",
        inputs={
            "secretId": Input(required=True),
            "secretString": Input(required=True),
        },
        outputs=("arn", "secretArn", "versionId", "versionStages"),
        secrets=frozenset({"secretString"}),
        create=create_secret_version,
        read=read_secret_version,
        delete=delete_secret_version,
    ),
    "aws:ssm/parameter:Parameter": Resource(
        service="SSM",
        label="SSM Parameter",
        id_form="name",
        inputs={
            "name": Input(replaces=True, auto_name=True),
            "type": Input(required=True),
            "value": Input(required=True),
            "description": Input(),
            "keyId": Input(computed=True),
            "overwrite": Input(),
            "tags": Input(),
        },
        outputs=("arn", "version"),
        secrets=frozenset({"value"}),
        create=create_parameter,
        read=read_parameter,
        update=update_parameter,
        delete=delete_parameter,
    ),
}
