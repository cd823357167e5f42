"""Seeded random settings: right ones are accepted and built, and each error is named, all at once."""

import copy
import json
import re
import runpy

import pulumi
import pytest
from hypothesis import strategies as st

from components.configuration import SettingsError, load_settings, parse_settings
from components.iam.documents import size
from components.iam.limits import MAX_TRUST_POLICY_CHARACTERS_ON_REQUEST
from components.identity_policy import identity_policy
from components.relationship_args import RelationshipArgs
from tests.components.conftest import PROJECT, ROOT, key_of, record
from tests.components.test_settings import WRONG
from tests.fuzz.conftest import tried
from tests.fuzz.settings_grammar import PGP_KEY_FILE, right_settings


def as_text(value):
    """Return a top-level setting as Pulumi hands it over."""
    return value if isinstance(value, str) else json.dumps(value)


def with_pgp_key(values, pgp_key_file):
    return {key: str(pgp_key_file) if value == PGP_KEY_FILE else value for key, value in values.items()}


def load(values, pgp_key_file):
    values = with_pgp_key(values, pgp_key_file)
    pulumi.runtime.set_all_config({f"{PROJECT}:{key}": as_text(value) for key, value in values.items()}, [])
    return load_settings()


def place(key):
    """Return a key as ``pulumi config set --path`` takes it, in parts."""
    parts = re.findall(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)', key)
    return [int(index) if index else quoted or plain for quoted, index, plain in parts]


def put(section, parts, value):
    """Set a value; in a list, it comes before the others."""
    part, *further = parts
    if further:
        if isinstance(part, str) and not section.get(part):
            section[part] = [] if isinstance(further[0], int) else {}
        put(section[part], further, value)
    elif isinstance(part, int):
        section.insert(part, value)
    else:
        section[part] = value


@st.composite
def wrong_settings(draw):
    """Make settings with one to four errors, none of which is inside another; return them with their keys and rules."""
    values = {key: value for key, value in copy.deepcopy(draw(right_settings())).items() if value not in ("", {})}
    chosen = []
    for row in draw(st.lists(st.sampled_from(WRONG), min_size=1, max_size=4)):
        parts = place(row[0])
        if not any(all(a == b for a, b in zip(parts, place(other[0]), strict=False)) for other in chosen):
            chosen.append(row)
    keys = [key for key, *_ in chosen]
    if "trust.mfaMaxAge" in keys and "trust.requireMfa" not in keys:
        put(values, ["trust", "requireMfa"], "true")
    if any(key.startswith("accessKeys[0].") for key in keys):
        values.setdefault("accessKeys", [{"label": "1"}])
    if "pgpKeyFile" in keys:
        values.pop("secretStore", None)
    for key, value, *_ in sorted(chosen, reverse=True, key=lambda row: row[0]):
        put(values, place(key), copy.deepcopy(value))
    return values, {key: rule for key, _, rule, _ in chosen}


@tried(150, made=wrong_settings())
def test_each_error_is_named_and_nothing_else(made, pgp_key_file):
    values, errors = made
    with pytest.raises(SettingsError) as refused:
        parse_settings(with_pgp_key(values, pgp_key_file))
    named = refused.value.errors
    assert sorted(error.key for error in named) == sorted(errors), str(refused.value)
    assert all(errors[error.key] in error.problem for error in named)
    str(refused.value).encode()


@tried(100, values=right_settings())
def test_what_is_right_is_accepted_and_read_back_unchanged(values, pgp_key_file):
    dumped = load(values, pgp_key_file).model_dump(mode="json")
    args = RelationshipArgs.model_validate(json.loads(json.dumps(dumped)))
    assert args.model_dump(mode="json") == dumped
    assert RelationshipArgs.model_validate(args.model_dump(by_alias=True)) == args


@tried(60, values=right_settings())
def test_another_language_means_the_same(values, pgp_key_file):
    """Pulumi hands a component from another language every number as 7.0."""
    args = load(values, pgp_key_file).model_dump(mode="json")
    handed_over = RelationshipArgs.model_validate(floating(args)).model_dump(mode="json")
    assert handed_over == args
    assert json.dumps(handed_over["role"]) == json.dumps(args["role"])


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
    if args.role.policy:
        permissions = recorded.document("assume-role-trusting-role-policy")
        assert permissions == identity_policy(permissions) == args.role.policy.document
    assume = recorded.document("assume-role-trusted-user-policy")
    assert assume == identity_policy(assume)
    assert assume["Statement"][0]["Resource"] == role_arn
    assert not re.search(r"[*?]|\$\{", role_arn)

    attached = [each.inputs["policyArn"] for each in recorded.all("aws:iam/rolePolicyAttachment:RolePolicyAttachment")]
    assert len(set(attached)) == len(attached) == bool(args.role.policy) + len(args.role.managed_policies)
    plain = {name: output.value for name, output in recorded.outputs.items() if not output.secret}
    assert key_of("1")[1][:20] not in json.dumps(plain)
