"""What the program creates, in which account, under which names, and what it hands out."""

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from components.configuration import Settings, SettingsError, parse_settings, sections
from components.iam.owner import OWNER_TAG
from components.models import StoreArgs
from components.relationship import Relationship
from components.relationship_args import RelationshipArgs
from components.secret_store import SecretStore, SecretStoreArgs
from components.trusted_user import TrustedUser
from components.trusting_role import TrustingRole
from tests.components.conftest import ACCOUNTS, EVERYTHING, TRUSTED, TRUSTING, Recorded, key_of, record
from tools.stack import Outputs

SECRET_MARK = "4dabf18193072939515e22adb298388d"  # how Pulumi marks a secret on the wire
READ_ONE = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::records/*"}
AUDIT = "arn:aws:iam::aws:policy/SecurityAudit"
DOCUMENT = {"Version": "2012-10-17", "Statement": [READ_ONE]}
UNKNOWN_MARK = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# Logical name -> type. This project exists to prevent a resource in the wrong account.
RESOURCES = {
    "assume-role-trusting-provider": "pulumi:providers:aws",
    "assume-role-trusted-provider": "pulumi:providers:aws",
    "assume-role": "assume-role:index:Relationship",
    "assume-role-trusting": "assume-role:index:TrustingRole",
    "assume-role-trusting-role": "aws:iam/role:Role",
    "assume-role-trusting-role-policy": "aws:iam/policy:Policy",
    "assume-role-trusting-role-policy-attachment": "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "assume-role-trusted": "assume-role:index:TrustedUser",
    "assume-role-trusted-user": "aws:iam/user:User",
    "assume-role-trusted-user-policy": "aws:iam/policy:Policy",
    "assume-role-trusted-user-policy-attachment": "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    "assume-role-trusted-key-1": "aws:iam/accessKey:AccessKey",
}
OUTPUTS = {
    *("roleArn", "roleName", "userArn", "userName", "trustingAccountId", "trustedAccountId", "switchRoleUrl"),
    *("accessKeys", "accessKeyId", "secretAccessKey", "awsConfig", "readme"),
}
SECRET_OUTPUTS = {"accessKeys", "secretAccessKey", "awsConfig"}


def test_names_in_the_state_do_not_depend_on_the_configuration(default, configured):
    assert {each.name: each.type for each in default.resources} == RESOURCES
    assert len(default.resources) == len(RESOURCES)
    key, managed = "assume-role-trusted-key-", "assume-role-trusting-role-managed-policy-audit"
    more = {f"{key}spring": RESOURCES[f"{key}1"], f"{key}autumn": RESOURCES[f"{key}1"]}
    more[managed] = RESOURCES["assume-role-trusting-role-policy-attachment"]
    named = {each.name: each.type for each in configured.resources}
    assert named == {name: kind for name, kind in RESOURCES.items() if name != f"{key}1"} | more


@pytest.mark.parametrize("run", ["default", "configured"])
def test_every_resource_is_in_its_component_and_its_account(run, request):
    recorded: Recorded = request.getfixturevalue(run)
    for each in recorded.resources:
        if each.type.startswith("aws:"):
            side = "trusting" if "-trusting-" in each.name else "trusted"
            assert (each.parent, each.provider) == (f"assume-role-{side}", f"assume-role-{side}-provider"), each.name
        else:
            parent = "assume-role" if each.name in ("assume-role-trusting", "assume-role-trusted") else ""
            assert (each.parent, each.provider) == (parent, ""), each.name


@pytest.mark.parametrize("run", ["default", "configured"])
def test_each_component_registers_what_it_offers_once(run, request):
    recorded: Recorded = request.getfixturevalue(run)
    components = [each.name for each in recorded.resources if each.type.startswith("assume-role:index:")]
    registered = [(name, outputs) for name, outputs in recorded.component_outputs if name in components]
    assert len(registered) == len(components)
    assert {name: outputs.keys() for name, outputs in registered} == {
        "assume-role-trusting": {"roleArn", "roleName"},
        "assume-role-trusted": {"userArn", "userName"},
        "assume-role": OUTPUTS - {"readme"} | {"terms"},
    }


def test_the_program_asks_aws_nothing(default, configured):
    assert default.calls == configured.calls == []


def names(recorded: Recorded) -> set[str]:
    return {each.inputs["name"] for each in recorded.resources if "name" in each.inputs}


def test_four_names_follow_from_one(run_program):
    assert names(run_program(name="acme")) == {"acme", "acme-permissions", "acme-assume-role"}
    assert run_program(name="acme").values()["userArn"].endswith(":user/acme")
    assert len(names(run_program(name="a" * 64))) == 3


def test_an_explicit_name_goes_before_one_that_follows(run_program):
    recorded = run_program(name="acme", role={"name": "Auditor"}, user={"policyName": "May-Audit"})
    assert names(recorded) == {"Auditor", "acme-permissions", "acme", "May-Audit"}
    assert names(run_program(name="acme", **EVERYTHING)) == {
        *("Auditor", "Auditor-Permissions", "alice", "Alice-May-Audit")
    }


def test_rules_between_sections_know_the_names_that_follow():
    arns = [f"arn:aws:iam::{TRUSTED}:user/acme"]
    settings = parse_settings({**ACCOUNTS, "name": "acme", "trust": {"principalArns": arns}})
    assert settings.trust.principal_arns == arns
    own = f"arn:aws:iam::{TRUSTING}:policy/acme-permissions"
    with pytest.raises(SettingsError, match="the role's own policy"):
        parse_settings({**ACCOUNTS, "name": "acme", "role": {"managedPolicies": {"own": own}, "policy": DOCUMENT}})


@pytest.mark.parametrize(
    ("name", "says"), [("n" * 230, "at most 256 characters"), ("a*b", r"Remove '\*'"), ("a,b", "Remove ','")]
)
def test_a_relationship_whose_name_no_tag_takes_makes_nothing(name, says):
    with pytest.raises(pulumi.RunError, match=says) as refusal:
        record(lambda: Relationship(name, _settings()))
    assert str(refusal.value).startswith(f"the relationship {name!r} needs another name: the tag {OWNER_TAG} would be")


def test_the_inputs_of_the_role_and_the_user(default, configured):
    def inputs(recorded, kind):
        return {key: each for key, each in recorded.one(kind).inputs.items() if key != "assumeRolePolicy"}

    defaults = {"name": "Assume-Role-1", "path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": True}
    assert inputs(default, "aws:iam/role:Role") == defaults
    assert inputs(default, "aws:iam/user:User") == {"name": "user-1", "path": "/", "forceDestroy": False}
    own = {key: value for key, value in EVERYTHING["role"].items() if key not in ("policy", "managedPolicies")}
    assert inputs(configured, "aws:iam/role:Role") == {**own, "forceDetachPolicies": True}
    user = {key: value for key, value in EVERYTHING["user"].items() if key != "policyName"}
    assert inputs(configured, "aws:iam/user:User") == user


def test_a_rename_replaces_the_user(default):
    assert list(default.one("aws:iam/user:User").request.replaceOnChanges) == ["name"]


def test_the_trust_settings_reach_the_role(configured):
    (statement,) = configured.document("assume-role-trusting-role")["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {"sts:ExternalId": "relationship-7", "aws:PrincipalOrgID": "o-a1b2c3d4e5"},
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
        "NumericLessThanEquals": {"aws:MultiFactorAuthAge": "900"},
        "ArnLike": {"aws:PrincipalArn": [f"arn:aws:iam::{TRUSTED}:user/people/*"]},
        "IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]},
    }


def test_the_policy_file_reaches_the_role(run_program, tmp_path):
    file = tmp_path / "read.json"
    file.write_text(json.dumps(DOCUMENT, indent=4))
    recorded = run_program(role={"policy": {"file": str(file)}})
    assert recorded.document("assume-role-trusting-role-policy") == DOCUMENT
    assert recorded.terms()["permissionPolicy"] == DOCUMENT


def with_bucket(action="s3:ListBucket", region="us-east-1", **sections):
    """Return a program whose role's policy names a bucket that the program makes."""

    def program():
        bucket = aws.s3.Bucket("records")
        statement = {"Effect": "Allow", "Action": action, "Resource": bucket.arn}
        accounts = {side: {"accountId": ACCOUNTS[side]["accountId"], "region": region} for side in ACCOUNTS}
        role = {"policy": {"Version": "2012-10-17", "Statement": [statement]}}
        Relationship("audit", RelationshipArgs.model_validate({**accounts, "role": role, **sections}))

    return program


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pulumi_aws's own, when it loads S3
def test_a_policy_may_hold_an_output_of_another_resource():
    recorded, preview = record(with_bucket()), record(with_bucket(), preview=True)
    document = recorded.document("audit-trusting-role-policy")
    assert document["Statement"] == [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::records"}]
    assert recorded.terms("audit")["permissionPolicy"] == document
    policy = recorded.named("audit-trusting-role-policy")
    assert list(policy.request.propertyDependencies["policy"].urns) == [recorded.named("records").urn]
    assert "audit-trusting-role-policy" in {each.name for each in preview.resources}
    assert preview.document("audit-trusting-role")["Statement"]
    assert preview.document("audit-trusted-user-policy")["Statement"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("program", "problem"),
    [
        (with_bucket("ListBucket"), r"^role\.policy of Assume-Role-1: .*: 'ListBucket' is not service:Name\. Correct"),
        (with_bucket(region="cn-north-1"), r"^role\.policy of Assume-Role-1 = arn:aws:s3:::records: .*Correct one of"),
    ],
)
def test_a_policy_with_an_output_is_checked_when_that_is_known(program, problem):
    with pytest.raises(pulumi.RunError, match=problem):
        record(program)
    record(program, preview=True)


@pytest.mark.parametrize("policy", [{}, {"policy": None}, {"policy": {}}])
def test_managed_policies_take_the_place_of_the_default_one(run_program, default, policy):
    recorded = run_program(role={"managedPolicies": {"audit": AUDIT}, **policy})
    own = {"assume-role-trusting-role-policy", "assume-role-trusting-role-policy-attachment"}
    assert {each.name for each in default.resources} - {each.name for each in recorded.resources} == own
    attachment = recorded.named("assume-role-trusting-role-managed-policy-audit")
    assert attachment.inputs["policyArn"] == AUDIT
    assert recorded.terms()["permissionPolicy"] == {}
    assert recorded.terms()["policyNames"].keys() == {"user"}


@pytest.mark.parametrize(
    "role", [{"managedPolicies": {}}, {"policy": {"name": "Own"}, "managedPolicies": {"a": AUDIT}}]
)
def test_the_default_policy_is_that_of_a_role_of_which_nothing_or_only_its_name_is_said(run_program, default, role):
    documents = [each.document("assume-role-trusting-role-policy") for each in (run_program(role=role), default)]
    assert documents[0] == documents[1]


@pytest.mark.parametrize("run", ["default", "configured"])
def test_attachments_join_what_was_made_and_wait_for_it(run, request):
    recorded: Recorded = request.getfixturevalue(run)
    for side, holder in (("trusting", "role"), ("trusted", "user")):
        attachment = recorded.named(f"assume-role-{side}-{holder}-policy-attachment")
        policy = recorded.named(f"assume-role-{side}-{holder}-policy")
        owner = recorded.named(f"assume-role-{side}-{holder}")
        account = {"trusting": TRUSTING, "trusted": TRUSTED}[side]
        assert attachment.inputs == {
            holder: owner.inputs["name"],
            "policyArn": f"arn:aws:iam::{account}:policy/{policy.inputs['name']}",
        }
        waits_for = attachment.request.propertyDependencies
        assert set(waits_for["policyArn"].urns) == {policy.urn}
        assert set(waits_for[holder].urns) == {owner.urn}


def test_neither_account_waits_for_the_other(configured):
    for each in configured.resources:
        if each.type.startswith("aws:"):
            other = "-trusted-" if "-trusting-" in each.provider else "-trusting-"
            assert not [urn for urn in each.request.dependencies if other in urn.split("::")[-1]], each.name


@pytest.mark.parametrize("regions", [("us-east-1", "eu-west-3"), ("cn-north-1",) * 2, ("us-gov-west-1",) * 2])
def test_computed_arns_are_those_that_aws_gives(run_program, regions):
    trusting, trusted = regions
    recorded = run_program(
        trusting={"accountId": TRUSTING, "region": trusting},
        trusted={"accountId": TRUSTED, "region": trusted},
        role={"path": "/a/b/"},
        user={"path": "/c/"},
    )
    values, arns = recorded.values(), recorded.arns
    assert values["roleArn"] == arns["assume-role-trusting-role"]
    assert values["userArn"] == arns["assume-role-trusted-user"]
    (statement,) = recorded.document("assume-role-trusted-user-policy")["Statement"]
    assert statement["Resource"] == arns["assume-role-trusting-role"]
    for policy in ("assume-role-trusting-role-policy", "assume-role-trusted-user-policy"):
        assert recorded.named(f"{policy}-attachment").inputs["policyArn"] == arns[policy]


def test_a_first_preview_knows_every_document_and_both_arns(run_program):
    recorded = run_program(preview=True, **EVERYTHING)
    assert recorded.outputs["roleArn"].known
    assert recorded.outputs["roleArn"].value == f"arn:aws:iam::{TRUSTING}:role/audit/Auditor"
    assert recorded.outputs["userArn"].known
    assert recorded.outputs["userArn"].value == f"arn:aws:iam::{TRUSTED}:user/people/alice"
    assert not recorded.outputs["secretAccessKey"].known  # so this was a preview indeed
    assert recorded.document("assume-role-trusted-user-policy")["Statement"]
    assert UNKNOWN_MARK not in json.dumps([each.inputs for each in recorded.resources if each.provider])


def test_the_outputs(default):
    key_id, secret = key_of("1")
    values = default.values()
    assert values.keys() == OUTPUTS
    config = values.pop("awsConfig")
    assert f"aws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n" in config
    assert config.startswith("[profile assume-role-prod-user]\n")
    assert not [word for word in ("mfa_serial", "external_id", "endpoint_url") if word in config]
    assert f"[profile assume-role-prod]\nrole_arn = arn:aws:iam::{TRUSTING}:role/Assume-Role-1\n" in config
    assert default.terms() == {
        "partition": "aws",
        "stsRegion": "us-east-1",
        "managedPolicies": {},
        "trustingRegion": "us-east-1",
        "trustedRegion": "us-east-1",
        "requireMfa": False,
        "sessionTags": False,
        "maxSessionDuration": 3600,
        "trustPolicy": default.document("assume-role-trusting-role"),
        "permissionPolicy": default.document("assume-role-trusting-role-policy"),
        "assumePolicy": default.document("assume-role-trusted-user-policy"),
        "policyNames": {"role": "Custom-Policy-For-Role-1", "user": "Custom-Assume-Role-Policy"},
        "permissionsBoundaries": {},
        "tags": {OWNER_TAG: "organization/assume-role/prod/assume-role"},
    }
    assert values.pop("readme").startswith("# user-1 may assume Assume-Role-1\n")
    assert values == {
        "roleArn": f"arn:aws:iam::{TRUSTING}:role/Assume-Role-1",
        "roleName": "Assume-Role-1",
        "userArn": f"arn:aws:iam::{TRUSTED}:user/user-1",
        "userName": "user-1",
        "trustingAccountId": TRUSTING,
        "trustedAccountId": TRUSTED,
        "switchRoleUrl": f"https://signin.aws.amazon.com/switchrole?account={TRUSTING}&roleName=Assume-Role-1",
        "accessKeys": {"1": {"id": key_id, "status": "Active", "secret": secret}},
        "accessKeyId": key_id,
        "secretAccessKey": secret,
    }


def test_the_outputs_with_everything_configured(configured):
    values = configured.values()
    terms = {
        "externalId": "relationship-7",
        "requireMfa": True,
        "mfaMaxAge": 900,
        "maxSessionDuration": 7200,
        "permissionsBoundaries": {side: EVERYTHING[side]["permissionsBoundary"] for side in ("role", "user")},
        "policyNames": {"role": "Auditor-Permissions", "user": "Alice-May-Audit"},
        "tags": {**EVERYTHING["tags"], OWNER_TAG: "organization/assume-role/prod/assume-role"},
    }
    regions = {"trustingRegion": "eu-west-1", "trustedRegion": "ap-south-1"}
    assert values.keys() == OUTPUTS
    assert terms.items() <= configured.terms().items()
    assert regions.items() <= configured.terms().items()
    assert configured.terms()["trustPolicy"] == configured.document("assume-role-trusting-role")
    assert values["switchRoleUrl"].endswith(f"?account={TRUSTING}&roleName=audit%2FAuditor")
    for line in (
        "external_id = relationship-7",
        f"mfa_serial = arn:aws:iam::{TRUSTED}:mfa/alice",
        "region = eu-west-1",
        "region = ap-south-1",
        "role_session_name = alice-autumn",
        "duration_seconds = 7200",
    ):
        assert line in values["awsConfig"].splitlines()


# One setting at a time, and what AWS is sent because of it. What only decides who deploys is no term.
REACHES_AWS: dict[str, dict[str, Any]] = {
    "name": {"name": "acme"},
    **{f"role.{key}": {"role": {key: EVERYTHING["role"][key]}} for key in EVERYTHING["role"] if key != "policy"},
    "role.policy.name": {"role": {"policy": {"name": "Auditor-Permissions"}}},
    "role.policy.file": {"role": {"policy": {"file": DOCUMENT}}},
    **{f"trust.{key}": {"trust": {key: EVERYTHING["trust"][key]}} for key in ("externalId", "requireMfa")},
    "trust.mfaMaxAge": {"trust": {"requireMfa": True, "mfaMaxAge": 900}},
    "trust.principalArns": {"trust": {"principalArns": [f"arn:aws:iam::{TRUSTED}:user/*"]}},
    **{f"trust.{key}": {"trust": {key: EVERYTHING["trust"][key]}} for key in ("organizationId", "sourceIps")},
    "trust.sessionTags": {"trust": {"sessionTags": True}},
    **{f"user.{key}": {"user": {key: EVERYTHING["user"][key]}} for key in EVERYTHING["user"] if key != "forceDestroy"},
    "secretStore": {"secretStore": {"kind": "ssm", "name": "/key"}},
    "secretStore.kmsKeyId": {"secretStore": {"kind": "ssm", "name": "/key", "kmsKeyId": "alias/mine"}},
    "tags": {"tags": {"team": "audit"}},
    "endpoint": {"endpoint": "http://127.0.0.1:4599"},
    "trusting.region": {"trusting": {"accountId": TRUSTING, "region": "eu-west-1"}},
    "trusted.region": {"trusted": {"accountId": TRUSTED, "region": "eu-west-1"}},
}
NOT_IN_AWS = {
    *("trusting.profile", "trusted.profile", "trusting.assumeRoleArn", "trusted.assumeRoleArn", "user.forceDestroy"),
    *("trusting.manage", "trusted.manage"),  # see test_halves.py
}
OUTPUTS_OF_THEIR_OWN = {"trusting.accountId", "trusted.accountId", "pgpKeyFile"}  # and the keys


@pytest.mark.parametrize("key", REACHES_AWS)
def test_every_setting_that_reaches_aws_is_among_the_terms(run_program, default, key):
    """The ARNs of the role and the user, which have their names and paths, are outputs beside the terms."""
    changed = run_program(**REACHES_AWS[key])

    def promised(recorded):
        return recorded.terms(), recorded.values()["roleArn"], recorded.values()["userArn"]

    assert promised(changed) != promised(default)


def test_no_setting_is_missing_in_the_list_above():
    def leaves(model):
        found: set[str] = set()
        for field in model.model_fields.values():
            inner = next(sections(field.annotation), None)
            found |= {f"{field.alias}.{leaf}" for leaf in leaves(inner)} if inner else {str(field.alias)}
        return found

    settings = leaves(Settings) - {"secretStore.kind", "secretStore.name", "accessKeys.label", "accessKeys.status"}
    assert settings == REACHES_AWS.keys() - {"secretStore"} | NOT_IN_AWS | OUTPUTS_OF_THEIR_OWN


def test_the_tools_read_no_output_that_the_program_does_not_have():
    own = set(Relationship.__annotations__)
    assert set(Outputs.model_fields) - {"shown"} <= own  # what is shown is all of them


@pytest.mark.parametrize("marks_secrets", [True, False])
@pytest.mark.parametrize("labels", [("1",), ("spring", "autumn")])
def test_the_secret_is_in_secret_outputs_only(run_program, marks_secrets, labels):
    recorded = run_program(marks_secrets=marks_secrets, accessKeys=[{"label": label} for label in labels])
    secrets = [key_of(label)[1] for label in labels]
    assert {name for name, output in recorded.outputs.items() if output.secret} == SECRET_OUTPUTS
    assert recorded.outputs["secretAccessKey"].value == secrets[-1]
    everything_else = json.dumps(
        [
            [output.value for output in recorded.outputs.values() if not output.secret],
            [each.inputs for each in recorded.resources],
            [_without_secrets(outputs) for _, outputs in recorded.component_outputs],
        ]
    )
    assert "accessKeyId" in everything_else
    for secret in secrets:
        assert secret not in everything_else


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_secrets(each) for k, each in value.items()} if SECRET_MARK not in value else "[secret]"
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value


def test_one_active_key_by_default(default):
    assert default.one("aws:iam/accessKey:AccessKey").inputs == {"user": "user-1", "status": "Active"}


@pytest.mark.parametrize(
    ("statuses", "in_use"),
    [
        (("Active", "Active"), "new"),
        (("Inactive", "Active"), "new"),
        (("Active", "Inactive"), "old"),
    ],
)
def test_the_last_active_key_is_handed_over(run_program, statuses, in_use):
    old, new = statuses
    values = run_program(accessKeys=[{"label": "old", "status": old}, {"label": "new", "status": new}])
    key_id, secret = key_of(in_use)
    outputs = values.values()
    assert outputs["accessKeyId"] == key_id
    assert outputs["secretAccessKey"] == secret
    assert f"aws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n" in outputs["awsConfig"]
    assert {label: (key["id"], key["status"]) for label, key in outputs["accessKeys"].items()} == {
        "old": (key_of("old")[0], old),
        "new": (key_of("new")[0], new),
    }
    assert list(outputs["accessKeys"]) == ["old", "new"]


@pytest.mark.parametrize("labels", [("1",), ("1", "2")])
def test_without_an_active_key_there_is_nothing_to_hand_over(run_program, labels):
    recorded = run_program(accessKeys=[{"label": label, "status": "Inactive"} for label in labels])
    assert recorded.outputs.keys() == OUTPUTS - {"accessKeyId", "secretAccessKey", "awsConfig"}
    assert recorded.outputs["accessKeys"].secret
    assert recorded.outputs["accessKeys"].value.keys() == set(labels)


def test_warnings_are_logged(run_program, caplog):
    same = {"profile": "admin"}
    run_program(trusting={"accountId": TRUSTING, **same}, trusted={"accountId": TRUSTED, **same})
    assert "trusting and trusted are deployed with the same credentials" in caplog.text
    caplog.clear()
    run_program()
    assert caplog.text == ""


def _settings() -> RelationshipArgs:
    return parse_settings(ACCOUNTS)


def _relationship(opts: pulumi.ResourceOptions) -> None:
    Relationship("alone", _settings(), opts)


def _trusting_role(opts: pulumi.ResourceOptions) -> None:
    TrustingRole("alone", _settings().trusting_role, opts)


def _trusted_user(opts: pulumi.ResourceOptions) -> None:
    TrustedUser("alone", _settings().trusted_user, opts)


def _secret_store(opts: pulumi.ResourceOptions) -> None:
    store = StoreArgs.model_validate({"kind": "secretsmanager", "name": "any"})
    SecretStore(
        "alone",
        SecretStoreArgs(store=store, description="any", key_pair={"any": pulumi.Output.from_input("any")}),
        opts,
    )


@pytest.mark.parametrize("make", [_relationship, _trusting_role, _trusted_user, _secret_store])
def test_a_component_stands_alone_and_keeps_its_options_to_itself(make):
    def program():
        own = aws.Provider("own", region="us-east-1", allowed_account_ids=[TRUSTED])
        make(
            pulumi.ResourceOptions(
                ignore_changes=["description"], delete_before_replace=True, retain_on_delete=True, providers=[own]
            )
        )

    recorded = record(program)
    assert list(recorded.named("alone").request.ignoreChanges) == ["description"]
    children = [each for each in recorded.resources if each.name.startswith("alone-")]
    assert len(children) >= 2
    for each in children:
        assert list(each.request.ignoreChanges) == [], each.name
        assert not each.request.deleteBeforeReplace, each.name
        if each.type.startswith("aws:"):
            mine = ("alone-trusting-provider", "alone-trusted-provider") if make is _relationship else ("own",)
            assert each.provider in mine, each.name


def test_two_relationships_fit_in_one_program():
    def program():
        for name in ("first", "second"):
            Relationship(name, _settings())

    recorded = record(program)
    urns = [each.urn for each in recorded.resources]
    assert len(set(urns)) == len(urns) == 2 * len(RESOURCES)


def test_halves_of_one_name_fit_in_one_program() -> None:
    def program() -> None:
        own = aws.Provider("own", region="us-east-1", allowed_account_ids=[TRUSTED])
        for make in (_trusting_role, _trusted_user):
            make(pulumi.ResourceOptions(providers=[own]))

    hooks = [list(each.request.hooks.before_update) for each in record(program).resources if each.provider]
    assert all(len(names) == 1 for names in hooks)
    assert len({name for (name,) in hooks}) == len(hooks)


@pytest.mark.parametrize("make", [_trusting_role, _trusted_user, _secret_store])
def test_a_half_without_a_provider_makes_nothing(make):
    with pytest.raises(pulumi.RunError, match="needs the AWS provider of its account"):
        record(lambda: make(pulumi.ResourceOptions()))
