"""Settings by chance, half of them with faults: accepted only where there is none, and each is named, all at once."""

import json
import re
import runpy

import pulumi
import pytest

from components.configuration import SettingsError, load_settings
from components.iam.documents import assume_policy, same_document, size
from components.iam.limits import MAX_TRUST_POLICY_CHARACTERS_ON_REQUEST
from components.identity_policy import identity_policy
from components.relationship_args import RelationshipArgs
from tests.components.conftest import PROJECT, ROOT, key_of, record
from tests.fuzz.counting import tried
from tests.fuzz.settings_grammar import PGP_KEY_FILE, right_settings
from tests.fuzz.wrong_settings import made_settings, place


def as_text(value):
    """Return a top-level setting as Pulumi hands it over."""
    return value if isinstance(value, str) else json.dumps(value)


def with_pgp_key(values, pgp_key_file):
    return {key: str(pgp_key_file) if value == PGP_KEY_FILE else value for key, value in values.items()}


def load(values, pgp_key_file):
    values = with_pgp_key(values, pgp_key_file)
    pulumi.runtime.set_all_config({f"{PROJECT}:{key}": as_text(value) for key, value in values.items()}, [])
    return load_settings()


@tried(150, made=made_settings())
def test_settings_are_refused_for_their_faults_alone(made, pgp_key_file):
    if not made.faults:
        args = load(made.settings, pgp_key_file)
        dumped = args.model_dump(by_alias=True, mode="json")
        assert RelationshipArgs.model_validate(dumped) == args
        assert RelationshipArgs.model_validate(json.loads(json.dumps(dumped))) == args
        return "accepted"
    with pytest.raises(SettingsError) as refused:
        load(made.settings, pgp_key_file)
    left = list(refused.value.faults)
    for wrong, value in made.faults:
        shown = value if len(place(wrong.key)) > 1 or isinstance(value, (list, dict)) else as_text(value)
        named = [
            fault
            for fault in left
            if fault.key == (wrong.named or wrong.key)
            and re.search(wrong.says, fault.problem)
            and (wrong.named or wrong.key == "accessKeys" or fault.value == shown)
        ]
        assert len(named) == 1, f"{wrong.key} = {value!r} in {refused.value}"
        assert named[0].problem.endswith((".", "?")) or "is required" in wrong.says
        left.remove(named[0])
    assert left == []
    message = str(refused.value)
    message.encode()
    assert message.count("\n  - ") == len(made.faults)
    return "refused"


@tried(60, values=right_settings())
def test_another_language_means_the_same(values, pgp_key_file):
    """Pulumi hands a component from another language its arguments in snake case, and every number as 7.0."""
    args = load(values, pgp_key_file)
    handed_over = floating(args.model_dump(by_alias=False, mode="json"))
    assert RelationshipArgs.model_validate(handed_over) == args
    document = RelationshipArgs.model_validate(handed_over).role.policy.document
    assert json.dumps(document) == json.dumps(args.role.policy.document)
    return "the same"


def floating(value):
    if isinstance(value, dict):
        return {key: floating(each) for key, each in value.items()}
    if isinstance(value, list):
        return [floating(each) for each in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@tried(20, values=right_settings())
def test_what_is_accepted_is_built(values, pgp_key_file):
    args = load(values, pgp_key_file)
    recorded = record(lambda: runpy.run_path(str(ROOT / "__main__.py")), with_pgp_key(values, pgp_key_file))

    role_arn = f"arn:{args.trusting.partition}:iam::{args.trusting.account_id}:role{args.role.path}{args.role.name}"
    user_arn = f"arn:{args.trusted.partition}:iam::{args.trusted.account_id}:user{args.user.path}{args.user.name}"
    made = recorded.values()
    assert (made["roleArn"], made["userArn"]) == (role_arn, user_arn)
    assert {role_arn, user_arn} <= set(recorded.arns.values())

    assert size(recorded.document("assume-role-trusting-role")) <= MAX_TRUST_POLICY_CHARACTERS_ON_REQUEST
    permissions = recorded.document("assume-role-trusting-role-policy")
    assert permissions == identity_policy(permissions) == args.role.policy.document
    assume = recorded.document("assume-role-trusted-user-policy")
    assert assume == identity_policy(assume)
    assert assume["Statement"][0]["Resource"] == role_arn
    assert not re.search(r"[*?]|\$\{", role_arn)

    attached = [each.inputs["policyArn"] for each in recorded.all("aws:iam/rolePolicyAttachment:RolePolicyAttachment")]
    assert len(set(attached)) == len(attached) == 1 + len(args.role.managed_policies)
    plain = {name: output.value for name, output in recorded.outputs.items() if not output.secret}
    assert key_of("1")[1][:20] not in json.dumps(plain)
    return "built"


@tried(25, values=right_settings())
def test_what_is_accepted_the_embedded_aws_takes(values, pgp_key_file, aws_client, next_accounts):
    """It looks at few values itself (tests/README.md): it would notice documents and calls that are none, no limits."""
    args, accounts = load(values, pgp_key_file), next_accounts()
    tags = [{"Key": name, "Value": value} for name, value in args.tags.items()]
    trusting, trusted = (aws_client(account, "iam") for account in (accounts.trusting, accounts.trusted))

    trusting.create_role(
        AssumeRolePolicyDocument=json.dumps(args.trusting_role.trust_policy),
        MaxSessionDuration=args.role.max_session_duration,
        Tags=tags,
        RoleName=args.role.name,
        Path=args.role.path,
        Description=args.role.description or "",
    )
    trusting.create_policy(PolicyName=args.role.policy.name, PolicyDocument=json.dumps(args.role.policy.document))
    trusted.create_user(UserName=args.user.name, Path=args.user.path, Tags=tags)
    document = json.dumps(assume_policy(args.trusted_user.role_arn))
    trusted.create_policy(PolicyName=args.user.policy_name, PolicyDocument=document)
    role = trusting.get_role(RoleName=args.role.name)["Role"]
    assert same_document(role["AssumeRolePolicyDocument"], args.trusting_role.trust_policy)
    assert role["MaxSessionDuration"] == args.role.max_session_duration
    return "taken"
