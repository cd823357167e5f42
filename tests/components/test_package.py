"""The package, as the engine asks it for components on behalf of a program in another language."""

import pulumi
import pytest
import yaml
from pulumi.errors import InputPropertiesError

from components.package import Package
from tests.components.conftest import ROOT, TRUSTED, TRUSTING, record

STATEMENT = {
    "Effect": "Allow",
    "Action": "s3:*",
    "Resource": "*",
    "Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": 3600.0}},
}
POLICY = {"Version": "2012-10-17", "Statement": [STATEMENT]}
ACCOUNTS = {"trusting": {"accountId": TRUSTING}, "trusted": {"accountId": TRUSTED}}


def construct(kind, inputs):
    return record(lambda: Package().construct("audit", f"assume-role:index:{kind}", inputs))


def errors(inputs):
    with pytest.raises(InputPropertiesError) as refusal:
        construct("Relationship", inputs)
    assert refusal.value.message == ""
    return {each["property_path"]: each["reason"] for each in refusal.value.errors}


def test_whole_numbers_arrive_as_floating_point_ones_and_are_whole_again():
    recorded = construct(
        "Relationship",
        {
            "trusting": {"accountId": float(TRUSTING)},  # what YAML makes of one without quotes
            "trusted": {"accountId": TRUSTED},
            "role": {"policy": {"document": POLICY}, "maxSessionDuration": 7200.0},
            "trust": {"requireMfa": True, "mfaMaxAge": 900.0},
            "accessKeys": [{"label": 1.0, "status": "Inactive"}],
        },
    )
    assert recorded.named("audit-trusting-role").inputs["maxSessionDuration"] == 7200
    assert '"aws:MultiFactorAuthAge": 3600}' in recorded.named("audit-trusting-role-policy").inputs["policy"]
    assert recorded.named("audit-trusted-key-1").inputs["status"] == "Inactive"


def test_every_error_is_named_at_once_by_the_names_of_the_schema():
    inputs = {
        "trusting": {"accountId": "12"},
        "trusted": {"region": "us-east-1"},
        "role": {"policy": {"document": POLICY}, "maxSessionDuration": 7200.5},
        "trust": {"sourceIps": ["203.0.113.0/24", "10.0.0.0/8"], "externalID": "7"},
        "accessKeys": [{"label": "1", "status": "Gone"}],
    }
    found = errors(inputs)
    assert found.keys() == {
        "trusting.accountId",
        "trusted.accountId",
        "role.maxSessionDuration",
        "trust.sourceIps[1]",
        "trust.externalID",
        "accessKeys[0].status",
    }
    assert found["trusting.accountId"].startswith("an AWS account id has exactly 12 digits.")


def test_the_example_in_yaml_is_right():
    example = yaml.safe_load((ROOT / "examples/yaml/Pulumi.yaml").read_text())
    audit = example["resources"]["audit"]
    assert audit["type"].split(":") == ["assume-role", "Relationship"]
    recorded = construct("Relationship", audit["properties"])
    ((_, offered),) = [each for each in recorded.component_outputs if each[0] == "audit"]
    assert {f"${{audit.{output}}}" for output in offered} >= set(example["outputs"].values())
    for name in example["packages"].values():
        assert (ROOT / "examples/yaml" / name / "PulumiPlugin.yaml").exists()


def test_a_secret_is_refused_without_being_shown():
    """The engine shows the values of properties that have problems, secrets too: so this is no property's problem."""
    trust = {"externalId": pulumi.Output.secret("hush"), "sourceIps": [pulumi.Output.from_input("203.0.113.0/24")]}
    with pytest.raises(InputPropertiesError, match=r"^trust\.externalId, trust\.sourceIps\[0\]: only") as refusal:
        construct("Relationship", {**ACCOUNTS, "role": {"policy": {"document": POLICY}}, "trust": trust})
    assert refusal.value.errors == []


def test_a_policy_may_hold_an_output():
    bucket = pulumi.Output.from_input("arn:aws:s3:::records")
    document = {"Version": "2012-10-17", "Statement": [{**STATEMENT, "Resource": [bucket]}]}
    recorded = construct("Relationship", {**ACCOUNTS, "role": {"policy": {"document": document}}})
    assert recorded.document("audit-trusting-role-policy")["Statement"][0]["Resource"] == ["arn:aws:s3:::records"]


def test_a_name_that_no_tag_takes_is_said_of_the_resource():
    inputs = {**ACCOUNTS, "role": {"policy": {"document": POLICY}}}
    with pytest.raises(InputPropertiesError, match=r"^the relationship 'a\*b' needs another name"):
        record(lambda: Package().construct("a*b", "assume-role:index:Relationship", inputs))


def test_a_half_without_a_provider_says_what_it_needs():
    inputs = {"account": ACCOUNTS["trusted"], "roleArn": f"arn:aws:iam::{TRUSTING}:role/Auditor"}
    with pytest.raises(InputPropertiesError, match=r"^audit needs the AWS provider of its account"):
        construct("TrustedUser", inputs)
