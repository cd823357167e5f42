"""What the two providers are told: one account each, no keys for real AWS, only loopback for an emulator."""

import ipaddress
import json
from urllib.parse import urlsplit

import pytest

from components.configuration import SettingsError
from components.iam.owner import OWNER_TAG
from tests.components.conftest import EVERYTHING, TRUSTED, TRUSTING

SIDES = {"trusting": TRUSTING, "trusted": TRUSTED}
OWNER = {OWNER_TAG: "organization/assume-role/prod/assume-role"}
CREDENTIALS = {"accessKey", "secretKey", "token", "sharedCredentialsFiles", "sharedConfigFiles"}


def decoded(registration):
    """Return a provider's inputs; Pulumi sends all but texts as JSON, and marks credentials as secret."""
    texts = ("region", "profile", "stsRegion")
    return {
        name: value["value"] if name in CREDENTIALS else value if name in texts else json.loads(value)
        for name, value in registration.inputs.items()
    }


# pulumi-aws sends its own defaults. skipRequestingAccountId would switch allowedAccountIds off.
REAL = {"skipRegionValidation": True, "skipCredentialsValidation": False}


@pytest.mark.parametrize("side", SIDES)
def test_on_real_aws_no_keys_and_no_endpoint(default, configured, side):
    own = {**REAL, "allowedAccountIds": [SIDES[side]], "profile": f"{side}-admin"}
    assert decoded(default.named(f"assume-role-{side}-provider")) == {
        **own,
        "region": "us-east-1",
        "defaultTags": {"tags": OWNER},
    }
    assert decoded(configured.named(f"assume-role-{side}-provider")) == {
        **own,
        "region": EVERYTHING[side]["region"],
        "defaultTags": {"tags": {**EVERYTHING["tags"], **OWNER}},
        "assumeRoles": [{"roleArn": f"arn:aws:iam::{SIDES[side]}:role/Deploy", "sessionName": "pulumi-assume-role"}],
    }


@pytest.mark.parametrize("side", SIDES)
def test_emulated_provider(run_program, side):
    inputs = decoded(run_program(endpoint="http://127.0.0.1:4599").named(f"assume-role-{side}-provider"))
    endpoints = inputs.pop("endpoints")
    assert endpoints == [dict.fromkeys(("iam", "sts", "secretsmanager", "ssm"), "http://127.0.0.1:4599")]
    assert all(ipaddress.ip_address(urlsplit(url).hostname).is_loopback for url in endpoints[0].values())
    assert inputs == {
        "region": "us-east-1",
        "allowedAccountIds": [SIDES[side]],
        "defaultTags": {"tags": OWNER},
        "accessKey": SIDES[side],
        "secretKey": "embedded",
        "skipCredentialsValidation": True,
        "skipMetadataApiCheck": True,
        "skipRegionValidation": True,
    }


def test_emulated_provider_keeps_roles_and_tags(run_program):
    recorded = run_program(endpoint="http://localhost:4599", **EVERYTHING)
    for side in SIDES:
        inputs = decoded(recorded.named(f"assume-role-{side}-provider"))
        assert inputs["defaultTags"] == {"tags": {**EVERYTHING["tags"], **OWNER}}
        assert inputs["assumeRoles"][0]["roleArn"] == EVERYTHING[side]["assumeRoleArn"]


def test_an_endpoint_elsewhere_makes_no_provider(run_program):
    with pytest.raises(SettingsError, match="not a loopback address"):
        run_program(endpoint="http://192.0.2.1:4599")


def test_sts_is_called_where_every_account_may(run_program):
    """With a session of another account, AWS refuses calls in an opt-in region that this one has not enabled."""
    recorded = run_program(trusting={"accountId": TRUSTING, "region": "me-south-1"})
    assert decoded(recorded.named("assume-role-trusting-provider"))["stsRegion"] == "us-east-1"
    assert "stsRegion" not in recorded.named("assume-role-trusted-provider").inputs
    assert recorded.terms()["stsRegion"] == "us-east-1"
