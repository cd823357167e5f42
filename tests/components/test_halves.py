"""A half that the other party makes, and a user without a key."""

import pytest

from components.configuration import SettingsError, parse_settings
from tests.components.conftest import ACCOUNTS, EVERYTHING, TRUSTED, TRUSTING

USER_OUTPUTS = {"userArn", "userName", "accessKeys", "accessKeyId", "secretAccessKey", "awsConfig"}


def without(side, settings=EVERYTHING):
    """Return settings in which the other party makes the half of one side, and nobody here can sign in to it."""
    return settings | {side: {key: settings[side][key] for key in ("accountId", "region")} | {"manage": False}}


@pytest.fixture(scope="module")
def customer(run_program):
    """Return what the trusting account's party deploys."""
    return run_program(**without("trusted"))


@pytest.fixture(scope="module")
def vendor(run_program):
    """Return what the trusted account's party deploys."""
    return run_program(**without("trusting"))


def test_two_mirrored_stacks_make_what_one_makes(configured, customer, vendor):
    def made(recorded):
        inputs = {each.name: each.inputs for each in recorded.resources if not each.type.startswith("assume-role:")}
        return {name: {key: value for key, value in each.items() if key != "tags"} for name, each in inputs.items()}

    assert not made(customer).keys() & made(vendor).keys()
    assert made(customer) | made(vendor) == made(configured)


def test_no_provider_signs_in_to_the_account_of_the_other_party(customer, vendor):
    for recorded, account in ((customer, TRUSTING), (vendor, TRUSTED)):
        assert recorded.one("pulumi:providers:aws").inputs["allowedAccountIds"] == f'["{account}"]'


def test_the_outputs_of_a_half(configured, customer, vendor):
    assert customer.values().keys() == configured.values().keys() - USER_OUTPUTS
    assert vendor.values().keys() == configured.values().keys()
    for name in ("roleArn", "roleName", "switchRoleUrl", "trustingAccountId", "trustedAccountId"):
        assert customer.values()[name] == vendor.values()[name] == configured.values()[name]
    assert vendor.values()["awsConfig"] == configured.values()["awsConfig"]
    assert f"Account `{TRUSTED}` may assume role" in customer.values()["readme"]
    assert "rotate" not in customer.values()["readme"]


def test_the_terms_name_the_half_that_the_other_party_makes(configured, customer, vendor):
    assert "unmanaged" not in configured.terms()
    assert customer.terms() == configured.terms() | {"unmanaged": "trusted"}
    assert vendor.terms() == configured.terms() | {"unmanaged": "trusting"}


def test_no_default_policy_is_promised_for_the_role_of_the_other_party():
    other = {"trusting": {"accountId": TRUSTING, "manage": False}}
    assert parse_settings(ACCOUNTS | other).role.policy is None
    named = parse_settings({**ACCOUNTS, **other, "role": {"policy": {"file": "policies/s3-full-access.json"}}})
    assert named.role.policy is not None


def test_one_half_at_least_is_made():
    with pytest.raises(SettingsError) as caught:
        parse_settings(without("trusting", without("trusted")))
    (error,) = caught.value.errors
    assert (error.key, error.value) == ("trusted.manage", False)


@pytest.mark.parametrize("manage", ["false", "no", 0])
def test_manage_is_what_the_tools_read_in_the_stacks_file_too(manage):
    with pytest.raises(SettingsError, match=r"trusting\.manage = .*: this must be true or false"):
        parse_settings(ACCOUNTS | {"trusting": {"accountId": TRUSTING, "manage": manage}})


def test_no_secret_is_kept_where_no_key_is_made():
    with pytest.raises(SettingsError, match=r"trusted\.manage is false, so this stack makes no access key"):
        parse_settings(without("trusted") | {"secretStore": {"kind": "ssm", "name": "/key"}})


@pytest.mark.parametrize("settings", [{"accessKeys": []}, without("trusted", EVERYTHING)])
def test_principals_may_leave_out_a_user_that_has_no_key(settings):
    trust = {"principalArns": [f"arn:aws:iam::{TRUSTED}:role/Deploy"]}
    assert parse_settings({**ACCOUNTS, **settings, "trust": trust}).trust.principal_arns == trust["principalArns"]
    with pytest.raises(SettingsError, match="leaves out the stack's own user"):
        parse_settings({**ACCOUNTS, "trust": trust})


def test_a_user_without_a_key(run_program, default):
    recorded = run_program(accessKeys=[])
    missing = {each.name for each in default.resources} - {each.name for each in recorded.resources}
    assert missing == {"assume-role-trusted-key-1"}
    assert recorded.values()["accessKeys"] == {}
    assert default.values().keys() - recorded.values().keys() == {"accessKeyId", "secretAccessKey", "awsConfig"}
