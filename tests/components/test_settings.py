"""Every message that a wrong setting gives: the key, the value seen, the rule and the fix."""

import json
import os
import re

import pulumi
import pytest
from pydantic import ValidationError

from components.configuration import SettingError, SettingsError, ignored_settings, load_settings, parse_settings
from components.models import AccessKeyArgs, AccountArgs, TrustArgs, UserArgs
from components.relationship_args import RelationshipArgs
from tests.components.conftest import ACCOUNTS, EVERYTHING, PROJECT, ROOT, TRUSTED, TRUSTING

OTHER = "777788889999"
ADVICE_ON_IDS = "Look it up with: aws sts get-caller-identity --query Account --output text"
ADVICE_ON_TEXTS = "Put it in quotes, or use: pulumi config set --path --type string"
ADVICE_ON_ENDPOINTS = (
    "Write it like http://127.0.0.1:4599, or remove it to deploy to real AWS: pulumi config rm assume-role:endpoint"
)


def errors_of(values, secret_keys=frozenset()) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse_settings({**ACCOUNTS, **values}, secret_keys)
    return caught.value


def at(key, value):
    """Return settings that hold a value under a key such as ``role.policy.name`` or ``accessKeys[0].label``."""
    for quoted, part in reversed(re.findall(r'\["(.*?)"\]|([^.\[\]]+)', key)):
        value = [value] if part.isdigit() else {part or quoted: value}
    for side in ACCOUNTS.keys() & value.keys():
        if isinstance(value[side], dict):
            value[side] = {**ACCOUNTS[side], **value[side]}
    return value


# The key, a wrong value, then what the message must say: the rule and the fix. The value itself is always shown.
ACCOUNT_IDS = [
    (side, value, shown, rule, fix)
    for side in ("trusting", "trusted")
    for value, shown, rule, fix in [
        ("1234", '"1234"', "an AWS account id has exactly 12 digits", ADVICE_ON_IDS),
        ("1234567890123", '"1234567890123"', "exactly 12 digits", ADVICE_ON_IDS),
        ("12345678901a", '"12345678901a"', "exactly 12 digits", ADVICE_ON_IDS),
        ("111122223333 ", '"111122223333 "', "exactly 12 digits", ADVICE_ON_IDS),
        ("१११११११११११२", '"१११११११११११२"', "exactly 12 digits", ADVICE_ON_IDS),  # digits, but not AWS's
        ([], "[]", "exactly 12 digits", ADVICE_ON_IDS),
        ("5555-6666-7777", '"5555-6666-7777"', "is written without dashes", "Write 555566667777"),
        # What YAML makes of 012345678901, and of 1.2e11.
        (12345678901, "12345678901", "this is a number: YAML drops leading zeros", 'accountId: "012345678901"'),
        (120000000000.0, "120000000000.0", "this is a number", "Write it in quotes"),
    ]
]
TEXTS = [
    *("name", "endpoint", "trust.externalId", "trust.organizationId", "trust.sourceIps[0]"),
    *(f"{side}.{key}" for side in ("trusting", "trusted") for key in ("profile", "region", "assumeRoleArn")),
    *(f"role.{key}" for key in ("name", "path", "description", "permissionsBoundary", "policy.name")),
    *(f"user.{key}" for key in ("name", "path", "permissionsBoundary", "policyName")),
]
NAMES = [
    ("name", "IAM role and user", 64),
    ("role.name", "IAM role", 64),
    ("role.policy.name", "IAM policy", 128),
    ("user.name", "IAM user", 64),
    ("user.policyName", "IAM policy", 128),
]
WRONG = [
    *((f"{side}.accountId", *rest) for side, *rest in ACCOUNT_IDS),
    *((key, 83, "83", "YAML made it a number or a boolean, which can change it", ADVICE_ON_TEXTS) for key in TEXTS),
    *((key, True, "true", "this must be a text, and YAML made it", ADVICE_ON_TEXTS) for key in TEXTS),
    *((key, ["x"], '["x"]', "this must be a text.", "Put it in quotes") for key in TEXTS),
    *(
        (
            key,
            name,
            json.dumps(name),
            f"{kind} names are made of letters, digits and _+=,.@- only",
            "Choose such a name",
        )
        for key, kind, _ in NAMES
        for name in ("with space", "slash/ed", "a:b", "new\nline", "", "trailing\n")
    ),
    *((key, "Ä", '"Ä"', f"{kind} names are made of letters", "Choose such a name") for key, kind, _ in NAMES),
    *(
        (key, "n" * (longest + 1), "nnn", f"{kind} names have at most {longest} characters", "Shorten it")
        for key, kind, longest in NAMES
    ),
    *(
        (f"{owner}.path", path, json.dumps(path), "an IAM path is / or begins and ends with /", f"Write it like {fix}.")
        for owner in ("role", "user")
        for path, fix in [
            ("division", "/division/"),
            ("/division", "/division/"),
            ("/a b/", "/a/b/"),
            ("//", "/division/"),
            ("", "/division/"),
        ]
    ),
    ("role.path", f"/{'p' * 511}/", "ppp...", "an IAM path has at most 512 characters, this has 513", "Shorten it"),
    ("role.description", "d" * 1001, "ddd...", "at most 1000 characters, this has 1001", "Shorten it"),
    ("role.description", "a — b", '"a — b"', "descriptions take Latin-1 characters only", "Remove '—'"),
    *(
        (
            "role.maxSessionDuration",
            seconds,
            json.dumps(seconds),
            "a role's maximum session duration is a whole number of seconds from 3600 to 43200",
            "Choose one in that range",
        )
        for seconds in (3599, 43201, 0, -3600, 3600.5, "1h", "", True, [3600])
    ),
    *(
        (
            "trust.mfaMaxAge",
            seconds,
            json.dumps(seconds),
            "the age of an MFA sign-in is a whole number of seconds from 1 to 129600",
            "Choose one in that range",
        )
        for seconds in (0, 129601, "soon", False)
    ),
    *(
        ("trust.externalId", external_id, shown, f"2 to 1224 characters, this has {len(external_id)}", "Choose another")
        for external_id, shown in [("", '""'), ("x", '"x"'), ("x" * 1225, "xxx...")]
    ),
    ("trust.externalId", "a b", '"a b"', "made of letters, digits and _+=,.@:/- only", "Remove ' '"),
    ("trust.externalId", "a%b", '"a%b"', "made of letters, digits and _+=,.@:/- only", "Remove '%'"),
    *(
        ("trust.organizationId", value, json.dumps(value), "o- and 10 to 32 lower-case letters or digits", "Look it up")
        for value in ("o-short", "o-A1B2C3D4E5", "r-a1b2c3d4e5", "o-" + "a" * 33, "")
    ),
    *(
        (f"{owner}.path", path, json.dumps(path), "AWS keeps the path /aws-service-role/", "Choose another")
        for owner in ("role", "user")
        for path in ("/aws-service-role/", "/AWS-Service-Role/x/")
    ),
    *(
        ("trust.sourceIps[0]", value, json.dumps(value), "AWS sees the public address of a caller", "Find yours with")
        for value in (
            *("10.1.2.3", "10.0.0.0/8", "172.31.0.0/16", "192.168.1.0/24", "100.64.0.1", "127.0.0.1"),
            *("169.254.0.0/16", "::1", "fe80::1", "fd00::/8"),
        )
    ),
    ("trust.sourceIps[0]", "home", '"home"', "this is not an address or a CIDR range", "Write it like 203.0.113.0/24"),
    ("trust.sourceIps[0]", "203.0.113.7/24", '"203.0.113.7/24"', "has host bits set", "Write it like 203.0.113.0/24"),
    *(
        (f"{side}.region", value, json.dumps(value), "this is not the name of an AWS region", "Write it like us-east-1")
        for side in ("trusting", "trusted")
        for value in ("moon", "us-east", "us-east-1a", "US-EAST-1", "")
    ),
    *(
        (
            f"{side}.profile",
            value,
            json.dumps(value),
            "this is not the name of an AWS profile",
            "aws configure list-profiles",
        )
        for side in ("trusting", "trusted")
        for value in ("", " ", "a]b", "a\nb")
    ),
    *(
        (key, value, json.dumps(value), f"this is not the ARN of an IAM {kind}", f"Write it like {example}")
        for key, kind, example, wrong_kind in [
            ("trusting.assumeRoleArn", "role", "arn:aws:iam::111122223333:role/NAME", "user/x"),
            ("trusted.assumeRoleArn", "role", "arn:aws:iam::111122223333:role/NAME", "policy/x"),
            ("role.permissionsBoundary", "managed policy", "arn:aws:iam::111122223333:policy/NAME", "role/x"),
            ("user.permissionsBoundary", "managed policy", "arn:aws:iam::111122223333:policy/NAME", "role/x"),
        ]
        for account in [TRUSTING if key.startswith(("trusting", "role")) else TRUSTED]
        for value in (
            "Admin",
            f"arn:aws:iam::{account}:{wrong_kind}",
            f"arn:aws:iam::{account}:{kind.rsplit(maxsplit=1)[-1]}/",
            f"arn:aws:iam::{account}:{kind.rsplit(maxsplit=1)[-1]}/*",
            f"arn:aws:sts::{account}:assumed-role/x/y",
            f"arn:aws:iam:us-east-1:{account}:role/x",
        )
    ),
    *(
        ("accessKeys[0].label", value, shown, "a label is 1 to 64 letters, digits, _ or -", "Choose a short word or a")
        for value, shown in [("a b", '"a b"'), ("", '""'), ("l" * 65, "lll"), (True, "true"), (1.5, "1.5")]
    ),
    (
        "accessKeys",
        [{"label": "1"}, {"label": "2"}, {"label": "3"}],
        "3",
        "a user has at most 2 access keys",
        "to stop a key, set its status to Inactive",
    ),
    (
        "accessKeys",
        [{"label": "1"}, {"label": 1}],
        '["1", "1"]',
        "each key needs a label of its own",
        "Rename the newer one",
    ),
    *(
        (key, "perhaps", '"perhaps"', "this must be true or false", "without quotes")
        for key in ("trust.requireMfa", "user.forceDestroy")
    ),
    *(
        (key, [], "[]", "this must be true or false", "without quotes")
        for key in ("trust.requireMfa", "user.forceDestroy")
    ),
    *(
        (key, "x", '"x"', "this must be a list", f"Add the first entry as assume-role:{key}[0]")
        for key in ("accessKeys", "trust.principalArns", "trust.sourceIps")
    ),
    *(
        (key, "x", '"x"', "this must be an object with the keys", keys)
        for key, keys in [
            ("trusting", "accountId, profile, region, assumeRoleArn"),
            ("trusted", "accountId, profile, region, assumeRoleArn"),
            ("role.policy", "name, file"),
            ("trust", "externalId, requireMfa, mfaMaxAge, principalArns, organizationId, sourceIps"),
            ("user", "name, path, permissionsBoundary, policyName, forceDestroy"),
            ("accessKeys[0]", "label, status"),
        ]
    ),
    ("role", [], "[]", "this must be an object with the keys", "name, path, description, maxSessionDuration"),
    *(
        (key, value, json.dumps(value), "this must be an object of names and values", f"Add one as assume-role:{key}.")
        for key in ("tags", "role.managedPolicies")
        for value in ("x", ["x"])
    ),
    ("tags.a", 1, "1", "this must be a text", ADVICE_ON_TEXTS),
    (
        *("tags", {str(n): "" for n in range(50)}, '{"0": ""'),
        "AWS takes at most 50 tags, one of them is assume-role:owner, and these are 50",
        "Keep at most 49",
    ),
    *(
        (f'tags["{name}"]', "me", '"me"', "assume-role:owner says which stack owns a resource", "Remove it")
        for name in ("assume-role:owner", "Assume-Role:OWNER")
    ),
    (
        "tags",
        {"Team": "a", "team": "b"},
        '{"Team": "a"',
        "differ by more than upper and lower case",
        "Rename or remove one",
    ),
    ('tags[""]', "a", '"a"', "a tag name has 1 to 128 characters and does not begin with aws:", "Rename it"),
    (f"tags.{'k' * 129}", "a", '"a"', "a tag name has 1 to 128 characters", "Rename it"),
    ('tags["AWS:x"]', "a", '"a"', "does not begin with aws:", "Rename it"),
    ("tags.a", "v" * 257, "vvv...", "a tag value has at most 256 characters", "Shorten it"),
    ("tags.a", "b,c", '"b,c"', "letters, digits, spaces and _.:/=+-@ only", "Remove ','"),
    ('tags["a;b"]', "c", '"c"', "letters, digits, spaces and _.:/=+-@ only", "Remove ';'"),
    ("tags.a", "b\nc", '"b\\nc"', "letters, digits, spaces and _.:/=+-@ only", "Remove '\\n'"),
    ("role.managedPolicies.a", "ReadOnlyAccess", '"ReadOnlyAccess"', "not the ARN of an IAM managed", "Write it like"),
    (
        'role.managedPolicies["a b"]',
        "arn:aws:iam::aws:policy/ReadOnlyAccess",
        '"arn:aws:iam::aws:policy/ReadOnlyAccess"',
        "a label is 1 to 64 letters, digits, _ or -",
        "Choose a short word or a number",
    ),
    *(
        (f"{owner}.path", path, json.dumps(path), f"{wildcard} would stand for other names", "Choose another")
        for owner in ("role", "user")
        for path, wildcard in [("/a*/", "*"), ("/a?/", "?"), ("/${aws:username}/", "${")]
    ),
    *(
        ("trust.sourceIps[0]", value, json.dumps(value), "this is not an address or a CIDR range", "Write it like")
        for value in ("2600::1%eth0", "203.0.113.0/024")
    ),
    # Which addresses are refused: tests/iam/test_endpoints.py.
    *(
        ("endpoint", url, json.dumps(url), rule, ADVICE_ON_ENDPOINTS)
        for url, rule in [
            ("https://iam.amazonaws.com:443", "and iam.amazonaws.com is not a loopback address"),
            ("http://127.0.0.1\t.example.com:4599", "an endpoint is http://, a loopback address and a port"),
            ("http://127.0.0.1:99999", "this is not a URL"),
        ]
    ),
    (
        "role.policy.file",
        5,
        "5",
        "this is not the name of a file",
        "Name a policy file, relative to the folder of Pulumi.yaml",
    ),
    *(
        (key, value, json.dumps(value), "this is not the name of a file", "relative to the folder of Pulumi.yaml")
        for key in ("role.policy.file", "pgpKeyFile")
        for value in (False, 0, [])
    ),
    *(
        (key, value, "nnn...", "file cannot be read (File name too long)", "relative to the folder of Pulumi.yaml")
        for key in ("role.policy.file", "pgpKeyFile")
        for value in ("n" * 300, "n" * 5000)
    ),
]


@pytest.mark.parametrize(("key", "value", "shown", "rule", "fix"), WRONG)
def test_one_wrong_setting_gives_one_message(key, value, shown, rule, fix):
    values = at(key, value)
    if key == "trust.mfaMaxAge":
        values["trust"]["requireMfa"] = True
    refused = errors_of(values)
    assert [error.key for error in refused.errors] == [key]
    _, line, closing = str(refused).splitlines() if "\n  - " in str(refused) else pytest.fail(str(refused))
    assert line.startswith(f"  - {key} = ")
    seen, _, problem = line.removeprefix(f"  - {key} = ").rpartition(f": {refused.errors[0].problem}")
    assert problem == ""
    assert shown.removesuffix("...") in seen
    assert len(seen) <= 80
    assert seen.endswith("...") or not shown.endswith("...")
    assert rule in refused.errors[0].problem
    assert fix in refused.errors[0].problem
    assert refused.errors[0].problem.endswith(".")
    assert "pulumi config set --path" in closing


@pytest.mark.parametrize(
    "values",
    [
        {"role": None},
        {"role": {"policy": None}},
        {"role": {"policy": {"file": None, "name": None}}},
        {"role": {"policy": {"file": ""}}},
        dict.fromkeys(("user", "trust", "accessKeys", "pgpKeyFile", "secretStore", "tags", "endpoint")),
    ],
)
def test_null_is_the_default(values):
    assert parse_settings({**ACCOUNTS, **values}) == parse_settings(ACCOUNTS)


def test_a_store_of_no_kind_leaves_its_name_alone():
    (error,) = errors_of({"secretStore": {"kind": "SSM", "name": "/" + "n" * 600}}).errors
    assert error.key == "secretStore.kind"


def test_every_wrong_tag_and_further_policy_is_named():
    refused = errors_of(
        {"tags": {"a": 1, "b.c": "x", "d": None}, "role": {"managedPolicies": {"e": "x", "f.g": "x", "h": 5}}}
    )
    assert sorted(error.key for error in refused.errors) == sorted(
        ["tags.a", "tags.d", "role.managedPolicies.e", 'role.managedPolicies["f.g"]', "role.managedPolicies.h"]
    )


def test_a_name_with_a_dot_is_quoted_as_pulumi_takes_it():
    (error,) = errors_of({"role": {"a.b": 1}}).errors
    assert error.key == 'role["a.b"]'


@pytest.mark.parametrize("side", ["trusting", "trusted"])
@pytest.mark.parametrize("account", [{}, None, "null"])
def test_a_missing_account_id(side, account):
    values = {key: value for key, value in ACCOUNTS.items() if key != side} | (
        {} if account is None else {side: None if account == "null" else account}
    )
    with pytest.raises(SettingsError) as caught:
        parse_settings(values)
    problem = f"this is required. Set it with: pulumi config set --path assume-role:{side}.accountId 111122223333"
    assert caught.value.errors == [SettingError(f"{side}.accountId", None, problem)]
    assert f"\n  - {side}.accountId: this is required" in str(caught.value)


def test_an_empty_stack_names_both_accounts():
    with pytest.raises(SettingsError, match=r"^2 settings are wrong, so nothing was changed:") as caught:
        parse_settings({})
    assert [error.key for error in caught.value.errors] == ["trusting.accountId", "trusted.accountId"]


def test_a_missing_label():
    refused = errors_of({"accessKeys": [{"status": "Active"}]})
    assert refused.errors == [
        SettingError(
            "accessKeys[0].label",
            None,
            "this is required. Set it with: pulumi config set --path assume-role:accessKeys[0].label VALUE",
        )
    ]


def test_a_status_of_its_own():
    (error,) = errors_of({"accessKeys": [{"label": "1", "status": "Expired"}]}).errors
    assert error == SettingError(
        "accessKeys[0].status", "Expired", "this must be 'Active' or 'Inactive'. Choose one of them."
    )


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("rolle", "Did you mean role?"),
        ("Endpoint", "Did you mean endpoint?"),
        ("accesskeys", "Did you mean accessKeys?"),
        ("trusting.accountID", "Did you mean accountId?"),
        ("trusting.acountId", "Did you mean accountId?"),
        ("trusted.account_id", "Did you mean accountId?"),
        ("role.maxSessionDuraton", "Did you mean maxSessionDuration?"),
        ("role.policy.fil", "Did you mean file?"),
        ("role.policy.document", "Remove it."),
        ("trust.externalID", "Did you mean externalId?"),
        ("user.policy_name", "Did you mean policyName?"),
        ("accessKeys[0].lable", "Did you mean label?"),
        ("zzzzz", "Remove it."),
    ],
)
def test_an_unknown_key_names_the_nearest(key, advice):
    (error,) = [error for error in errors_of(at(key, "x")).errors if "this is required" not in error.problem]
    assert error.key == key
    assert error.value == "x"
    assert error.problem.startswith(f"there is no such setting. {advice} Known here: ")
    nearest = advice.removeprefix("Did you mean ").rstrip("?")
    assert nearest == "Remove it." or nearest in error.problem.split("Known here: ")[1].rstrip(".").split(", ")


def test_all_errors_are_named_at_once():
    refused = errors_of(
        {
            "trusting": {"accountId": "1", "profil": "x"},
            "trusted": {"accountId": TRUSTED, "region": "moon"},
            "role": {"name": "a b", "maxSessionDuration": 1, "policy": {"file": "policies/none.json"}},
            "trust": {"externalId": "x", "mfaMaxAge": 900},
            "accessKeys": [{"label": "1"}, {"label": "1"}, {"label": "2"}],
            "endpoint": "http://192.0.2.1:80",
            "extra": {},
        }
    )
    assert sorted(error.key for error in refused.errors) == sorted(
        [
            "trusting.accountId", "trusting.profil", "trusted.region", "role.name", "role.maxSessionDuration",
            "role.policy.file", "trust.externalId", "trust.mfaMaxAge", "accessKeys", "accessKeys", "endpoint", "extra",
        ]
    )  # fmt: skip
    assert str(refused).startswith("12 settings are wrong, so nothing was changed:\n")
    assert len([line for line in str(refused).splitlines() if line.startswith("  - ")]) == 12


def test_the_error_is_one_that_pulumi_shows_without_a_stack_trace():
    assert issubclass(SettingsError, pulumi.RunError)


# Errors between settings


@pytest.mark.parametrize("ids", [(TRUSTING, TRUSTING), (int(TRUSTING), TRUSTING), (int(TRUSTING), int(TRUSTING))])
def test_one_account_twice(ids):
    (error,) = errors_of({"trusting": {"accountId": ids[0]}, "trusted": {"accountId": ids[1]}}).errors
    assert (error.key, error.value) == ("trusted.accountId", TRUSTING)
    assert error.problem == (
        "this is the trusting account too, and a relationship needs two. Set the id of the account of the user."
    )


def test_two_partitions():
    (error,) = errors_of(at("trusting.region", "cn-north-1")).errors
    assert (error.key, error.value) == ("trusted.region", "us-east-1")
    assert "this is in another partition than trusting.region (cn-north-1)" in error.problem
    assert "Choose two accounts of one partition" in error.problem


@pytest.mark.parametrize("require", [{}, {"requireMfa": False}, {"requireMfa": "false"}])
def test_an_age_of_mfa_without_mfa(require):
    (error,) = errors_of({"trust": {"mfaMaxAge": 900, **require}}).errors
    assert (error.key, error.value) == ("trust.mfaMaxAge", 900)
    assert error.problem.startswith("this needs MFA. Remove it, or use: pulumi config set --path")


ARNS = [
    ("trusting.assumeRoleArn", "role/x", TRUSTING, TRUSTED),
    ("trusted.assumeRoleArn", "role/x", TRUSTED, TRUSTING),
    ("role.permissionsBoundary", "policy/x", TRUSTING, TRUSTED),
    ("user.permissionsBoundary", "policy/x", TRUSTED, TRUSTING),
]


@pytest.mark.parametrize(("key", "resource", "own", "other"), ARNS)
def test_an_arn_of_the_other_account_asks_whether_they_are_swapped(key, resource, own, other):
    (error,) = errors_of(at(key, f"arn:aws:iam::{other}:{resource}")).errors
    side, other_side = ("trusting", "trusted") if own == TRUSTING else ("trusted", "trusting")
    assert (error.key, error.value) == (key, f"arn:aws:iam::{other}:{resource}")
    if key.endswith("assumeRoleArn"):  # one account alone knows nothing of the other
        assert f"this must be in the account {own}, and is in {other}." in error.problem
        assert error.problem.endswith("are the two accounts swapped?")
        return
    assert f"this must be in the {side} account {own}, and is in {other}." in error.problem
    assert error.problem.endswith(
        f"That is the {other_side} account: are {side}.accountId and {other_side}.accountId swapped?"
    )


@pytest.mark.parametrize(("key", "resource", "own", "_"), ARNS)
def test_an_arn_of_a_third_account(key, resource, own, _):
    (error,) = errors_of(at(key, f"arn:aws:iam::{OTHER}:{resource}")).errors
    assert error.key == key
    assert f"and is in {OTHER}. Name one of account {own}, or correct " in error.problem


def test_a_principal_of_a_third_account():
    own, foreign = f"arn:aws:iam::{TRUSTED}:user/*", f"arn:aws:iam::{OTHER}:user/x"
    (error,) = errors_of(at("trust.principalArns", [own, foreign])).errors
    assert (error.key, error.value) == ("trust.principalArns[1]", foreign)
    assert f"this must be in the trusted account {TRUSTED}, and is in {OTHER}" in error.problem


@pytest.mark.parametrize("value", ["user-1", f"arn:aws:iam::{TRUSTED}:root", "*", 5])
def test_a_principal_that_is_none(value):
    principals = [f"arn:aws:iam::{TRUSTED}:user/user-1", value]
    (error,) = errors_of({"trust": {"principalArns": principals}}).errors
    assert (error.key, error.value) == ("trust.principalArns[1]", value)
    assert "this is not the ARN of an IAM user or role" in error.problem or ADVICE_ON_TEXTS in error.problem


@pytest.mark.parametrize(
    ("user", "principal", "arn"),
    [
        ({}, "user/alice", "user/user-1"),
        ({}, "role/user-1", "user/user-1"),
        ({}, "user/user", "user/user-1"),
        ({"path": "/people/"}, "user/user-1", "user/people/user-1"),
        ({"name": "bob"}, "user/user-?", "user/bob"),
    ],
)
def test_a_trust_that_leaves_the_own_user_out(user, principal, arn):
    principals = [f"arn:aws:iam::{TRUSTED}:{principal}"]
    (error,) = errors_of({"trust": {"principalArns": principals}, "user": user}).errors
    assert (error.key, error.value) == ("trust.principalArns", principals)
    assert "this leaves out the stack's own user, so nobody could use its key" in error.problem
    assert error.problem.endswith(f"Add arn:aws:iam::{TRUSTED}:{arn}.")


def test_a_wrong_account_id_does_not_make_right_arns_wrong():
    principals = [f"arn:aws:iam::{TRUSTED}:user/user-1"]
    refused = errors_of({"trusted": {"accountId": "44445555666"}, "trust": {"principalArns": principals}})
    assert [error.key for error in refused.errors] == ["trusted.accountId"]


# Policy files

ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


def policy(*statements, **elements):
    return {"Version": "2012-10-17", "Statement": list(statements), **elements}


NOT_A_POLICY = [
    ([], "it is not a JSON object"),
    ("text", "it is not a JSON object"),
    (policy(ALLOW, Statements=[]), "a policy has no element 'Statements'"),
    ({"Statement": [ALLOW]}, '"Version" is missing: add "Version": "2012-10-17"'),
    ({**policy(ALLOW), "Version": "2008-10-17"}, "\"Version\" is '2008-10-17' and must be"),
    (policy(), '"Statement" is missing or empty'),
    ({"Version": "2012-10-17"}, '"Statement" is missing or empty'),
    (policy(ALLOW, "Allow"), "statement 2 is not a JSON object"),
    (policy({**ALLOW, "Principal": "*"}), "statement 1 names a principal"),
    (policy({**ALLOW, "NotPrincipal": "*"}), "statement 1 names a principal"),
    (policy({**ALLOW, "Actions": "*"}), "statement 1 has an unknown element 'Actions'"),
    (policy({**ALLOW, "Effect": "allow"}), 'statement 1 needs "Effect" to be "Allow" or "Deny"'),
    (policy({"Effect": "Allow", "Resource": "*"}), 'needs exactly one of "Action" and "NotAction"'),
    (policy({**ALLOW, "NotAction": "s3:*"}), 'needs exactly one of "Action" and "NotAction"'),
    (policy({"Effect": "Allow", "Action": "s3:*"}), 'needs exactly one of "Resource" and "NotResource"'),
    (policy({**ALLOW, "NotResource": "*"}), 'needs exactly one of "Resource" and "NotResource"'),
    (policy({**ALLOW, "Action": []}), '"Action" of statement 1 must be a text or a list of texts'),
    (policy({**ALLOW, "Action": ["s3:*", 5]}), '"Action" of statement 1 must be a text'),
    (policy({**ALLOW, "Resource": ""}), '"Resource" of statement 1 must be a text'),
    (
        policy(ALLOW, {**ALLOW, "Action": "ListBuckets"}),
        "statement 2 has an action 'ListBuckets' that is not service:Name",
    ),
    (policy({**ALLOW, "Resource": "my-bucket"}), "statement 1 has a resource 'my-bucket' that is neither an ARN nor *"),
    (policy({**ALLOW, "Resource": ["*", "arn:aws:s3:x"]}), "statement 1 has a resource 'arn:aws:s3:x'"),
    (policy({**ALLOW, "Sid": "a b"}), "the Sid 'a b' of statement 1 is not made of letters and digits only"),
    (policy({**ALLOW, "Sid": 5}), "the Sid 5 of statement 1 is not a text"),
    (policy({**ALLOW, "Sid": "A"}, ALLOW, {**ALLOW, "Sid": "A"}), "the Sid 'A' stands twice"),
    (policy({**ALLOW, "Condition": None}), "the condition of statement 1 is not a JSON object"),
    (policy({**ALLOW, "Condition": {"Bool": True}}), "the condition of statement 1 has 'Bool' without an object"),
    *(
        (
            policy({**ALLOW, "Condition": {"Bool": {"aws:x": value}}}),
            "the condition of statement 1 compares 'aws:x' with",
        )
        for value in (None, [], [None], {}, ["a", {}])
    ),
    *(
        (policy({**ALLOW, "Action": ["s3:*", action]}), f"statement 1 has an action {action!r}")
        for action in ("s3 :Get", "s3:", ":Get", "s3:Get Object", "s3::Get", "s3:Gét", "s3:a:b", "s3:x\n", " *")
    ),
    *(
        (policy({**ALLOW, "Resource": resource}), f"statement 1 has a resource {resource!r}")
        for resource in ("arn:", "ARN:aws:s3:::x", "arn:aws:s3:::", "arn:aws::::", "arn:aws:s3:::x\n", " *")
    ),
    *((policy({**ALLOW, "Effect": value}), 'needs "Effect" to be') for value in ("", None, True, ["Allow"])),
    *((policy({**ALLOW, "Action": value}), "must be a text or a list") for value in (None, True, {}, [""], [["*"]])),
    *((policy(ALLOW, Id=value), '"Id" is not a text') for value in (5, None, [])),
    *(
        (policy({**ALLOW, "Condition": {operator: {"aws:x": "y"}}}), f"an operator {operator!r} that IAM does not know")
        for operator in ("StringEqual", "NullIfExists", "ForSomeValues:Bool", "")
    ),
    (policy({**ALLOW, "Condition": {"Bool": {"": True}}}), "names no condition key for 'Bool'"),
    *(
        (
            policy({**ALLOW, "Resource": f"arn:aws:s3:::data/{left}/*"}),
            f"statement 1 has {left!r}, which a template left",
        )
        for left in ("<ACCOUNT>", "<your bucket>", "<%= x %>", "{{ bucket }}", "${BUCKET}", "${AWS::AccountId}")
    ),
    *(
        (policy({"Effect": "Deny", "Action": "s3:*", **where}), "statement 1 has '{{x}}', which a template left")
        for where in (
            {"NotResource": "{{x}}"},
            {"Resource": ["*", "arn:aws:s3:::{{x}}"]},
            {"Resource": "*", "Condition": {"StringEquals": {"aws:SourceVpc": ["vpc-1", "{{x}}"]}}},
            {"Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/{{x}}": "1"}}},
        )
    ),
    *(
        (policy({**ALLOW, "Resource": f"arn:aws:sqs:us-east-1:{account}:x"}), f"AWS has no account {account!r}")
        for account in ("ACCOUNT_ID", "12345678901", "{account}", "%ACCOUNT%")
    ),
    *(
        (policy({**ALLOW, "Resource": f"arn:aws:sqs:{region}:111122223333:x"}), f"AWS has no region {region!r}")
        for region in ("REGION", "{region}")
    ),
]
RIGHT_POLICIES = [
    {**ALLOW, "Resource": "arn:aws:organizations::*:"},
    *(
        {**ALLOW, "Resource": f"arn:aws:s3:::home/{variable}/*"}
        for variable in ("${aws:username}", "${*}", "${?}", "${$}")
    ),
    {**ALLOW, "Resource": ["arn:aws:s3:::h/${aws:PrincipalTag/team, 'none'}", "arn:*:s3:::b", "arn:aws*:s3:::b"]},
    {**ALLOW, "Resource": "arn:aws:s3:::h/${www.amazon.com:user_id}"},
    {**ALLOW, "Resource": ["arn:aws:iam::aws:policy/*", "arn:aws:ec2:*::image/*", "arn:aws:sqs:eu-*:1111*:x"]},
    {**ALLOW, "Resource": "arn:aws:sqs:${aws:RequestedRegion}:${aws:PrincipalAccount}:x"},
    {**ALLOW, "Condition": {"StringLike": {"aws:UserAgent": "a{b}<", "aws:PrincipalTag/x": "${aws:username}"}}},
    {**ALLOW, "Condition": {"ArnLike": {"aws:SourceArn": ["arn:aws-cn:sns:*:*:x", "arn:aws:sns:*:*:x"]}}},
]


@pytest.mark.parametrize("statement", RIGHT_POLICIES)
def test_what_looks_like_an_error_and_is_none(statement):
    assert parse_settings({**ACCOUNTS, "role": {"policy": policy(statement)}}).role.policy.document == policy(statement)


GOV = {
    side: {"accountId": account, "region": "us-gov-west-1"}
    for side, account in zip(ACCOUNTS, (TRUSTING, TRUSTED), strict=True)
}


@pytest.mark.parametrize(
    "where",
    [
        {"Resource": "{}"},
        {"Resource": ["*", "{}"]},
        {"NotResource": "{}"},
        {"Resource": "*", "Condition": {"ArnLike": {"aws:SourceArn": "{}"}}},
        {"Resource": "*", "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalArn": ["{}"]}}},
    ],
)
def test_arns_of_another_partition_in_a_policy(where):
    def settings(arn):
        statement = json.loads(json.dumps({"Effect": "Deny", "Action": "s3:*", **where}).replace("{}", arn))
        return {**GOV, "role": {"policy": {"file": policy(statement)}}}

    assert parse_settings(settings("arn:aws-us-gov:s3:::data/*"))
    (error,) = errors_of(settings("arn:aws:s3:::data/*")).errors
    assert (error.key, error.value) == ("role.policy.file", "arn:aws:s3:::data/*")
    assert "this is in the partition aws, and trusting.region is in aws-us-gov" in error.problem


def test_a_policy_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "policy.json").write_text(json.dumps(policy(ALLOW)), encoding="utf-8-sig")
    settings = parse_settings({**ACCOUNTS, **at("role.policy.file", str(tmp_path / "policy.json"))})
    assert settings.role.policy.document == policy(ALLOW)


def test_a_key_that_was_set_without_path():
    refused = errors_of({"trusting.accountId": TRUSTING, "role[name]": "x"})
    first, second = refused.errors
    assert first.key == '["trusting.accountId"]'
    assert "`pulumi config set` takes it for one name without --path" in first.problem
    assert "pulumi config rm 'assume-role:trusting.accountId'" in first.problem
    assert "pulumi config set --path 'assume-role:trusting.accountId' VALUE" in first.problem
    assert "without --path" in second.problem


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("region", "trusting.region and trusted.region"),
        ("profile", "trusting.profile and trusted.profile"),
        ("defaultTags", "assume-role:tags"),
        ("allowedAccountIds", "trusting.accountId and trusted.accountId"),
        ("assumeRoles", "trusting.assumeRoleArn and trusted.assumeRoleArn"),
        ("endpoints", "assume-role:endpoint"),
        ("maxRetries", "Remove it"),
    ],
)
def test_settings_of_the_aws_provider_are_ignored_with_a_warning(key, instead):
    (warning,) = ignored_settings({f"aws:{key}": "x", "assume-role:role": "{}", "pulumi:tags": "{}"})
    assert warning.startswith(f"aws:{key} in the stack's file is ignored")
    assert instead in warning


@pytest.mark.parametrize(("region", "warned"), [("*", True), ("?*", True), ("eu-west-1", False)])
def test_a_pattern_for_roles_of_identity_center_misses_those_of_us_east_1(region, warned):
    path = f"aws-reserved/sso.amazonaws.com/{region}/AWSReservedSSO_Admin_*"
    arns = [f"arn:aws:iam::{TRUSTED}:user/*", f"arn:aws:iam::{TRUSTED}:role/{path}"]
    warnings = parse_settings({**ACCOUNTS, "trust": {"principalArns": arns}}).warnings()
    assert len(warnings) == warned
    if warned:
        assert "sso.amazonaws.com/*AWSReservedSSO_Admin_*" in warnings[0]


@pytest.mark.parametrize(("document", "reason"), NOT_A_POLICY)
def test_a_file_that_is_not_a_policy(document, reason, tmp_path):
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(document))
    (error,) = errors_of(at("role.policy.file", str(file))).errors
    assert (error.key, error.value) == ("role.policy.file", str(file))
    assert "this is not an IAM identity policy: " in error.problem
    assert reason in error.problem
    assert "Correct it in the policy's JSON" in error.problem


@pytest.mark.parametrize(
    ("content", "rule", "fix"),
    [
        (None, "the policy file cannot be read (No such file or directory)", "relative to the folder of Pulumi.yaml"),
        (b"{\xff}", "the policy file is not UTF-8 text", "Correct it there"),
        (b"", "the policy file is not JSON: Expecting value: line 1 column 1", "Correct it there"),
        (
            b"{'Version': 1}",
            "is not JSON: Expecting property name enclosed in double quotes: line 1",
            "Correct it there",
        ),
        (b'{"Version": NaN}', "JSON has no NaN and no Infinity", "Write a number, or remove it"),
        (b"[" * 3000 + b"]" * 3000, "nested too deep", "Correct it there"),
        (b" " * 1_000_001, "the policy file cannot be read (it has more than 1,000,000 bytes)", "Name another"),
        (b'{"Version": "\\ud83d"}', "half of a character", "Write the whole one"),
        (b'{"Version": "1", "Version": "2"}', "the key 'Version' stands twice in one object", "Correct it there"),
    ],
)
def test_a_file_that_is_none(content, rule, fix, tmp_path):
    file = tmp_path / "policy.json"
    if content is not None:
        file.write_bytes(content)
    (error,) = errors_of(at("role.policy.file", str(file))).errors
    assert rule in error.problem
    assert fix in error.problem


def test_a_document_nested_too_deep():
    nested: dict[str, object] = {}
    for _ in range(3000):
        nested = {"a": nested}
    (error,) = errors_of(at("role.policy.file", nested)).errors
    assert "this policy is nested too deep" in error.problem


@pytest.mark.timeout(10)
@pytest.mark.parametrize("key", ["role.policy.file", "pgpKeyFile"])
def test_what_never_ends_is_not_read(key, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for file in ("/dev/zero", str(tmp_path / "pipe")):
        (error,) = errors_of(at(key, file)).errors
        assert "cannot be read (it is not a regular file)" in error.problem


def test_a_folder_is_not_a_policy_file():
    (error,) = errors_of(at("role.policy.file", "policies")).errors
    assert "the policy file cannot be read (Is a directory)" in error.problem


def sized(characters, filler="x"):
    """Return a policy that has so many characters without white space, of which Resource holds what is missing."""
    empty = len("".join(json.dumps(policy({**ALLOW, "Resource": "arn:aws:s3:::"})).split()))
    return policy({**ALLOW, "Resource": "arn:aws:s3:::" + filler * (characters - empty)})


def test_a_policy_has_6144_characters_without_white_space(tmp_path):
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(sized(6144), indent=100))
    assert parse_settings({**ACCOUNTS, **at("role.policy.file", str(file))}).role.policy.document == sized(6144)
    file.write_text(json.dumps(sized(6145)))
    (error,) = errors_of(at("role.policy.file", str(file))).errors
    assert "at most 6,144 characters without white space, this has 6,145" in error.problem
    assert "Shorten it, for example with wildcards" in error.problem


def test_a_policy_is_measured_as_it_is_sent(tmp_path):
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(sized(3000, "é"), ensure_ascii=False), encoding="utf-8")
    (error,) = errors_of(at("role.policy.file", str(file))).errors
    assert "at most 6,144 characters" in error.problem


def test_a_document_in_the_place_of_a_file_is_checked_too():
    assert parse_settings({**ACCOUNTS, **at("role.policy.file", policy(ALLOW))}).role.policy.document == policy(ALLOW)
    (error,) = errors_of(at("role.policy.file", {"Statement": []})).errors
    assert 'this is not an IAM identity policy: "Version" is missing' in error.problem


def test_a_document_in_the_place_of_the_whole_policy_is_taken_too():
    assert parse_settings({**ACCOUNTS, "role": {"policy": policy(ALLOW)}}).role.policy.document == policy(ALLOW)


def test_policy_files_are_found_from_the_project(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = parse_settings({**ACCOUNTS, **at("role.policy.file", "policies/s3-full-access.json")})
    assert settings.role.policy.document == json.loads((ROOT / "policies/s3-full-access.json").read_text())


@pytest.mark.parametrize(
    "document",
    [
        policy(ALLOW, Id="x"),
        policy({**ALLOW, "Sid": ""}, {**ALLOW, "Sid": ""}),  # as some tools write every statement
        policy(
            {**ALLOW, "Condition": {"ForAllValues:stringequalsIfExists": {"aws:x": ["y"]}, "Null": {"aws:x": True}}}
        ),
        {**policy(), "Statement": ALLOW},  # a single statement needs no list
        policy(
            {
                "Effect": "Deny",
                "NotAction": ["iam:Get*", "sts:?et"],
                "NotResource": ["arn:aws:s3:::a", "*"],
                "Condition": {},
            }
        ),
        policy({**ALLOW, "Action": "*", "Sid": "All"}, {**ALLOW, "Action": "*:*", "Sid": "Two"}, ALLOW, ALLOW),
        policy(
            {**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": True}, "StringLike": {"s3:prefix": ["a", "b"]}}}
        ),
        policy({**ALLOW, "Condition": {"NumericLessThan": {"s3:max-keys": 10}}}),
        policy({**ALLOW, "Resource": "arn:aws:logs:*:*:log-group:dms-serverless-replication-*:log-stream:"}),
        policy({**ALLOW, "Resource": "arn:aws:organizations::*:"}),
    ],
)
def test_policies_that_aws_takes(document):
    assert parse_settings({**ACCOUNTS, **at("role.policy.file", document)}).role.policy.document == document


# What is right


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trusting.accountId", "012345678901"),
        ("trusting.accountId", "000000000000"),
        ("role.name", "n" * 64),
        ("role.name", "Az09_+=,.@-"),
        ("role.policy.name", "n" * 128),
        ("role.path", "/"),
        ("role.path", "/a/b.c!/"),
        ("role.path", "/a//b/"),
        ("role.path", f"/{'p' * 510}/"),
        ("role.description", "ÿ ¡\t\n" + "d" * 995),
        ("role.permissionsBoundary", "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"),
        ("trust.externalId", "xy"),
        ("trust.externalId", "x" * 1224),
        ("trust.externalId", "Az09_+=,.@:/-"),
        ("trust.organizationId", "o-a1b2c3d4e5"),
        ("user.name", "first.last@example.com"),
        ("tags", {}),
        ("tags", {"Ключ 1": "_.:/=+-@ ½", "empty": ""}),
        ("endpoint", "http://localhost:4599"),
        ("endpoint", "http://127.1.2.3:80"),
        ("endpoint", "https://[::1]:4599"),
    ],
)
def test_values_at_the_limits_pass_unchanged(key, value):
    found = parse_settings({**ACCOUNTS, **at(key, value)}).model_dump(by_alias=True)
    for part in key.split("."):
        found = found[part]
    assert found == value


def test_an_account_id_that_lost_nothing_as_a_number_is_taken():
    settings = parse_settings({"trusting": {"accountId": 111122223333}, "trusted": {"accountId": TRUSTED}})
    assert settings.trusting.account_id == TRUSTING


def test_numbers_that_pulumi_stores_for_texts_and_back_are_taken():
    settings = parse_settings({**ACCOUNTS, "accessKeys": [{"label": 1}], "role": {"maxSessionDuration": "7200"}})
    assert settings.access_keys == [AccessKeyArgs(label="1")]
    assert settings.role.max_session_duration == 7200


def test_a_slash_after_the_endpoint_is_dropped():
    assert parse_settings({**ACCOUNTS, "endpoint": "http://127.0.0.1:4599/"}).endpoint == "http://127.0.0.1:4599"


def test_everything_configured_is_right():
    settings = parse_settings(EVERYTHING)
    dumped = settings.model_dump(by_alias=True, mode="json")
    assert dumped["role"].pop("policy")["name"] == "Auditor-Permissions"
    for key, value in EVERYTHING.items():
        if key not in ("accessKeys", "role"):
            assert dumped[key] == value | ({"manage": True} if key in ("trusting", "trusted") else {})
    assert [key.label for key in settings.access_keys] == ["spring", "autumn"]


def test_settings_cannot_be_changed_after_the_check():
    settings = parse_settings(ACCOUNTS)
    with pytest.raises(ValueError, match="frozen"):
        settings.trusting.account_id = OTHER


# Reading the stack's configuration


@pytest.fixture
def load():
    def load(secret_keys=(), **values) -> RelationshipArgs:
        encoded = {
            f"{PROJECT}:{key}": each if isinstance(each, str) else json.dumps(each) for key, each in values.items()
        }
        pulumi.runtime.set_all_config(
            {"aws:region": "eu-west-1", **encoded}, [f"{PROJECT}:{key}" for key in secret_keys]
        )
        return load_settings()

    return load


def test_other_namespaces_are_not_ours(load):
    assert load(**ACCOUNTS) == parse_settings(ACCOUNTS)


def test_empty_texts_are_as_good_as_nothing(load):
    """Pulumi.yaml declares an empty default for each key, so that the CLI knows the key."""
    assert load(**ACCOUNTS, endpoint="", role={}, trust={}, user={}, tags={}) == parse_settings(ACCOUNTS)


def test_a_key_of_the_namespace_that_nobody_knows(load):
    with pytest.raises(
        SettingsError, match=r"rolle = \{\"name\": \"x\"\}: there is no such setting\. Did you mean role\?"
    ):
        load(**ACCOUNTS, rolle={"name": "x"})


def test_what_is_not_json_is_shown_as_it_is(load):
    with pytest.raises(SettingsError, match=r'role = "\{name: x": this must be an object'):
        load(**ACCOUNTS, role="{name: x")


def test_a_secret_setting_is_refused_and_not_shown(load):
    with pytest.raises(SettingsError) as caught:
        load(secret_keys=("trust",), **ACCOUNTS, trust={"externalId": "x"})
    assert (
        SettingError(
            "trust",
            None,
            "this is stored as a secret, but previews, tags, names and trust policies (with the external id) show it "
            "to their readers. Set it again without --secret.",
        )
        in caught.value.errors
    )
    assert '"x"' not in str(caught.value)
    assert len(caught.value.errors) == 1


def test_the_defaults_in_pulumi_yaml_are_the_programs_own(load):
    yaml = pytest.importorskip("yaml")
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    own = {key: each["default"] for key, each in declared.items() if ":" not in key}
    assert own.keys() - {"pgpKeyFile"} == {field.alias for field in RelationshipArgs.model_fields.values()} - {"pgpKey"}
    assert load(**{**own, **ACCOUNTS}) == parse_settings(ACCOUNTS)


# Warnings


@pytest.mark.parametrize(
    ("trusting", "trusted", "endpoint", "warned"),
    [
        ({}, {}, None, True),
        ({"profile": "admin"}, {"profile": "admin"}, None, True),
        ({"region": "eu-west-1"}, {}, None, True),
        ({"profile": "admin"}, {}, None, False),
        ({"profile": "a"}, {"profile": "b"}, None, False),
        ({"assumeRoleArn": f"arn:aws:iam::{TRUSTING}:role/Deploy"}, {}, None, False),
        ({}, {}, "http://127.0.0.1:4599", False),
    ],
)
def test_one_way_into_two_accounts_is_warned_of(trusting, trusted, endpoint, warned):
    settings = parse_settings(
        {
            "trusting": {"accountId": TRUSTING, **trusting},
            "trusted": {"accountId": TRUSTED, **trusted},
            "endpoint": endpoint,
        }
    )
    warning = (
        "trusting and trusted are deployed with the same credentials, so one of them will be refused. "
        "Set a profile for each: pulumi config set --path assume-role:trusting.profile NAME"
    )
    assert settings.warnings() == ([warning] if warned else [])


def test_no_rule_quotes_a_secret_setting(load):
    with pytest.raises(SettingsError) as caught:
        load(secret_keys=("endpoint",), **ACCOUNTS, endpoint="http://emulator.example.com:4566")

    assert "emulator.example.com" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "key", "arn"),
    [
        ("trusting", "assumeRoleArn", "arn:aws-cn:iam::111122223333:role/Admin"),
        ("role", "permissionsBoundary", "arn:aws-us-gov:iam::aws:policy/ReadOnlyAccess"),
    ],
)
def test_an_arn_of_another_partition(load, section, key, arn):
    values = {name: dict(value) for name, value in ACCOUNTS.items()}
    values.setdefault(section, {})[key] = arn

    with pytest.raises(
        SettingsError, match=rf"{section}\.{key} = .*: this is in the partition aws-.*Correct one of them"
    ):
        load(**values)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"trust": {"sourceIps": ["203.0.113.0/255.255.255.0"]}}, "IAM takes no net masks"),
        ({"trust": {"principalArns": ["arn:aws:iam::aws:role/x"]}}, "this is not the ARN of an IAM user or role"),
    ],
)
def test_what_iam_does_not_know(load, values, problem):
    with pytest.raises(SettingsError, match=problem):
        load(**ACCOUNTS, **values)


@pytest.mark.parametrize("spelling", ["true", "True", "yes", "on", True])
def test_every_spelling_of_true_satisfies_the_age_of_mfa(load, spelling):
    assert load(**ACCOUNTS, trust={"requireMfa": spelling, "mfaMaxAge": 60}).trust.require_mfa


@pytest.mark.parametrize(
    ("statement", "warns"),
    [
        ({"Action": "*", "Resource": "*"}, True),
        ({"Action": ["s3:*", "*"], "Resource": ["*"]}, True),
        ({"Action": "**", "Resource": "**"}, True),
        ({"Action": "*:*", "Resource": "*"}, True),
        ({"Action": ["s3:*", "IAM:*"], "Resource": "*"}, True),
        ({"NotAction": "s3:*", "Resource": "*"}, True),
        ({"Action": "*", "NotResource": "arn:aws:s3:::bucket"}, True),
        ({"Action": "iam:Get*", "Resource": "*"}, False),
        ({"Action": "s3:*", "Resource": "*"}, False),
        ({"Action": "*", "Resource": "arn:aws:s3:::bucket"}, False),
        ({"Action": "*", "Resource": "*", "Effect": "Deny"}, False),
        ({"Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
    ],
)
def test_a_policy_that_allows_everything_is_a_warning(statement, warns):
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow"} | statement}
    accounts = {name: dict(value, profile=name) for name, value in ACCOUNTS.items()}

    warnings = parse_settings(accounts | {"role": {"policy": {"file": document}}}).warnings()

    assert [("allows every action" in warning) for warning in warnings] == [True] * warns


@pytest.mark.parametrize(
    ("managed", "problem"),
    [
        (dict.fromkeys(("a", "b"), "arn:aws:iam::aws:policy/ReadOnlyAccess"), "a policy is attached once"),
        ({f"p{n}": f"arn:aws:iam::aws:policy/P{n}" for n in range(25)}, "its own among them, and these are 25"),
        ({"a": "arn:aws:iam::444455556666:policy/P"}, r"role\.managedPolicies\.a = .* must be in the trusting account"),
        ({"a": "arn:aws-cn:iam::aws:policy/P"}, r"role\.managedPolicies\.a = .* in the partition aws-cn"),
        (
            {"a": "arn:aws:iam::111122223333:policy/Custom-Policy-For-Role-1"},
            r"role\.managedPolicies\.a = .*: this is the role's own policy, and a policy is attached once",
        ),
    ],
)
def test_further_policies_that_will_not_do(load, managed, problem):
    with pytest.raises(SettingsError, match=problem):
        load(**ACCOUNTS, role={"managedPolicies": managed})


@pytest.mark.parametrize(("ranges", "warns"), [(80, False), (120, True)])
def test_a_trust_policy_longer_than_aws_takes_by_default_is_a_warning(ranges, warns):
    trust = {"sourceIps": [f"203.0.113.{number}/32" for number in range(ranges)]}
    accounts = {name: dict(value, profile=name) for name, value in ACCOUNTS.items()}

    warnings = parse_settings(accounts | {"trust": trust}).warnings()

    assert [warning.startswith("the trust policy has 2,") for warning in warnings] == [True] * warns


def test_a_trust_policy_longer_than_aws_ever_takes_is_refused():
    (error,) = errors_of({"trust": {"sourceIps": [f"203.0.{number}.0/24" for number in range(256)] * 2}}).errors
    assert error.key == "trust"
    assert "characters, and AWS takes at most 8,192. Shorten principalArns or sourceIps" in error.problem


# Settings that are built in code

ROLE = {"policy": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"trusted": AccountArgs(account_id=TRUSTING)}, "this is the trusting account too"),
        ({"trusted": AccountArgs(account_id=TRUSTED, region="cn-north-1")}, "another partition"),
        ({"access_keys": tuple(AccessKeyArgs(label=label) for label in "123")}, "at most 2 access keys"),
        ({"access_keys": (AccessKeyArgs(label="1"),) * 2}, "each key needs a label of its own"),
        ({"role": {**ROLE, "permissions_boundary": f"arn:aws:iam::{TRUSTED}:policy/x"}}, "accountId swapped"),
        (
            {"user": UserArgs(permissions_boundary=f"arn:aws:iam::{OTHER}:policy/x")},
            "must be in the trusted account",
        ),
        (
            {"trust": TrustArgs(principal_arns=(f"arn:aws:iam::{TRUSTED}:user/x",))},
            "leaves out the stack's own user",
        ),
    ],
)
def test_settings_built_in_code_obey_the_rules_between_sections(change, problem):
    right = {"trusting": AccountArgs(account_id=TRUSTING), "trusted": AccountArgs(account_id=TRUSTED), "role": ROLE}
    RelationshipArgs(**right)

    with pytest.raises(ValidationError, match=problem):
        RelationshipArgs(**{**right, **change})


def test_a_section_built_in_code_obeys_its_own_rules():
    with pytest.raises(ValidationError, match="this must be in the account"):
        AccountArgs(account_id=TRUSTING, assume_role_arn=f"arn:aws:iam::{OTHER}:role/x")
    with pytest.raises(ValidationError, match="this needs MFA"):
        TrustArgs(mfa_max_age=60)
