"""The package's schema, as Pulumi's own component analyzer reads it off the components and their models."""

import json
from datetime import date
from pathlib import Path

import pytest
from pulumi.provider.experimental.analyzer import Analyzer
from pydantic import ValidationError

from components.configuration import load_settings, sections
from components.models import AccessKeyArgs, PolicyArgs
from components.package import COMPONENTS, Package
from components.relationship import Relationship
from components.relationship_args import RelationshipArgs
from components.trusted_user import TrustedUserArgs
from components.trusting_role import TrustingRoleArgs
from tests.components.conftest import ACCOUNTS, TRUSTED, TRUSTING, record

POLICY = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}


@pytest.fixture(scope="module")
def schema():
    Package()  # it writes the models' types as the analyzer reads them
    return Analyzer("assume-role").analyze(COMPONENTS)


def models_in(model, seen):
    if model not in seen:
        seen.add(model)
        for field in model.model_fields.values():
            for each in sections(field.annotation):
                models_in(each, seen)
    return seen


def test_every_field_and_output_is_described(schema):
    definitions = {**schema["component_definitions"], **schema["type_definitions"]}
    assert len(definitions) > 10
    for name, definition in definitions.items():
        for part in ("inputs", "outputs", "properties"):
            for key, each in getattr(definition, part, {}).items():
                assert each.description, f"{name}.{key}"


def test_what_has_a_default_is_optional_and_nothing_else_is(schema):
    models = models_in(RelationshipArgs, set())
    assert len(models) > 7
    for model in models - {RelationshipArgs}:
        properties = schema["type_definitions"][model.__name__].properties
        for field in model.model_fields.values():
            assert properties[field.alias].optional is not field.is_required(), f"{model.__name__}.{field.alias}"
    inputs = schema["component_definitions"]["Relationship"].inputs
    assert {key for key, each in inputs.items() if not each.optional} == {"trusting", "trusted", "role"}


def test_the_outputs_of_the_schema_are_those_of_the_stack(schema):
    recorded = record(lambda: Relationship("assume-role", load_settings()), ACCOUNTS)
    offered = dict(recorded.component_outputs)["assume-role"].keys()
    outputs = schema["component_definitions"]["Relationship"].outputs
    assert set(offered) <= set(outputs)
    assert {key for key, each in outputs.items() if not each.optional} <= set(offered)


def test_programs_in_other_languages_find_what_they_were_written_for():
    """If the schema changes on purpose, then so that they still run; the text of `Package().schema` goes there."""
    recorded = json.loads((Path(__file__).parent / "schema.json").read_text())
    assert json.loads(Package().schema) == recorded


def test_none_is_the_default_and_a_document_alone_is_a_policy():
    args = RelationshipArgs.model_validate(
        {
            "trusting": {"accountId": TRUSTING, "region": None},
            "trusted": {"accountId": TRUSTED, "profile": None},
            "role": {"policy": POLICY, "name": None, "managedPolicies": None},
            "user": None,
            "accessKeys": None,
            "tags": None,
        }
    )
    assert (args.trusting.region, args.role.name, args.user.name) == ("us-east-1", "Assume-Role-1", "user-1")
    assert args.role.policy.document == POLICY
    assert args.access_keys == [AccessKeyArgs(label="1")]


@pytest.mark.parametrize("value", [date(2012, 10, 17), {"a"}, b"2012-10-17"])
def test_a_policy_of_what_json_does_not_have_is_refused(value):
    with pytest.raises(ValidationError, match="this policy is not JSON: "):
        PolicyArgs(document={**POLICY, "Version": value})


@pytest.mark.parametrize("path", ["a*/", "?/", "${aws:username}/"])
def test_the_one_role_of_a_user_has_no_wildcards(path):
    with pytest.raises(ValidationError, match="this is not the ARN of an IAM role"):
        TrustedUserArgs(account={"account_id": TRUSTED}, role_arn=f"arn:aws:iam::{TRUSTING}:role/{path}x")


def test_a_half_whose_trust_policy_aws_never_takes_is_refused():
    with pytest.raises(ValidationError, match="AWS takes at most 8,192"):
        TrustingRoleArgs(
            account={"account_id": TRUSTING},
            trusted_account_id=TRUSTED,
            role={"policy": POLICY},
            trust={"source_ips": [f"203.0.{number}.0/24" for number in range(256)] * 2},
        )
