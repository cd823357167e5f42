"""Every message that a wrong setting gives: the key, the value seen, the rule and the fix."""

import json
import os
import re

import pulumi
import pytest
from pydantic import ValidationError

from components.configuration import SettingError, SettingsError, ignored_settings, load_settings, parse_settings
from components.models import AccessKeyArgs, AccountArgs, TrustArgs
from components.relationship_args import RelationshipArgs
from tests.components.conftest import ACCOUNTS, EVERYTHING, PROJECT, ROOT, TRUSTED, TRUSTING

OTHER = "777788889999"
BOTH = ["trusting", "trusted"]
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ADVICE_ON_TEXTS = "Put it in quotes, or use: pulumi config set --path --type string"
ADVICE_ON_ENDPOINTS = (
    "Write it like http://127.0.0.1:4599, or remove it to deploy to real AWS: pulumi config rm assume-role:endpoint"
)


def errors_of(values, secret_keys=frozenset()) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse_settings({**ACCOUNTS, **values}, secret_keys)
    return caught.value


def error_of(values) -> SettingError:
    (error,) = errors_of(values).errors
    return error


def at(key, value):
    """Return settings that hold a value under a key such as ``role.policy.name`` or ``accessKeys[0].label``."""
    for quoted, part in reversed(re.findall(r'\["(.*?)"\]|([^.\[\]]+)', key)):
        value = [value] if part.isdigit() else {part or quoted: value}
    for side in ACCOUNTS.keys() & value.keys():
        if isinstance(value[side], dict):
            value[side] = {**ACCOUNTS[side], **value[side]}
    return value


ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


def policy(*statements, **elements):
    return {"Version": "2012-10-17", "Statement": list(statements), **elements}


def rows(keys, values, rule, fix):
    return [(key, value, rule, fix) for key in keys for value in values]


TEXTS = [
    *("name", "endpoint", "trust.externalId", "trust.organizationId", "trust.sourceIps[0]", "tags.a"),
    *(f"{side}.{key}" for side in BOTH for key in ("profile", "region", "assumeRoleArn")),
    *(f"role.{key}" for key in ("name", "path", "description", "permissionsBoundary", "policy.name")),
    *(f"user.{key}" for key in ("name", "path", "permissionsBoundary", "policyName")),
]
IDS = [f"{side}.accountId" for side in BOTH]
NAMES = {"role.name": 64, "role.policy.name": 128, "user.name": 64, "user.policyName": 128, "name": 64}
PATHS = ["role.path", "user.path"]
FILES = ["role.policy.file", "pgpKeyFile"]
LISTS = ["accessKeys", "trust.principalArns", "trust.sourceIps"]
RELATIVE = "relative to the folder of Pulumi.yaml"
ACCOUNT_KEYS = "accountId, profile, region, assumeRoleArn"
INSIDE = [
    *("10.1.2.3", "10.0.0.0/8", "172.31.0.0/16", "192.168.1.0/24", "100.64.0.1", "127.0.0.1", "169.254.0.0/16"),
    *("::1", "fe80::1", "fd00::/8"),
]
NO_RANGES = ["home", "203.0.113.7/24", "2600::1%eth0", "203.0.113.0/024", "203.0.113.0/255.255.255.0"]
NO_PRINCIPALS = ["user-1", f"arn:aws:iam::{TRUSTED}:root", "*", "arn:aws:iam::aws:role/x"]
NO_DURATIONS = [3599, 43201, 0, 3600.5, "1h", "", True, [3600]]
NO_ORGANIZATIONS = ["o-short", "o-A1B2C3D4E5", "r-a1b2c3d4e5", "o-" + "a" * 33, ""]
REGIONS, PROFILES = ([f"{side}.{key}" for side in BOTH] for key in ("region", "profile"))
# The key, a wrong value, then what the message must say: the rule and the fix. The value itself is always shown.
WRONG = [
    *rows(
        IDS, ["1234", "1" * 13, "111122223333 ", [], "१११११११११११२"], "exactly 12 digits", "Look it up with: aws sts"
    ),
    *rows(IDS, ["5555-6666-7777"], "is written without dashes", "Write 555566667777"),
    # What YAML makes of 012345678901, and of 1.2e11.
    *rows(IDS, [12345678901, 120000000000.0], "is a number: YAML drops leading zeros", 'accountId: "012345678901"'),
    *rows(TEXTS, [83, True], "YAML made it a number or a boolean, which can change it", ADVICE_ON_TEXTS),
    *rows(TEXTS, [["x"]], "this must be a text.", "Put it in quotes"),
    *rows(NAMES, ["a b", "a/b", "b\n", "Ä"], "names are made of letters, digits and _+=,.@- only", "Remove '"),
    *rows(["role.name", "user.policyName"], [""], "names are made of letters", "this has 0. Choose another"),
    *(
        row
        for key, most in NAMES.items()
        for row in rows([key], ["n" * (most + 1)], f"1 to {most} of", "Choose another")
    ),
    *rows(PATHS, ["division", "/division", "/a b/", "//", "", f"/{'p' * 511}/"], "an IAM path is /", "like /division/"),
    *rows(PATHS, ["/aws-service-role/", "/AWS-Service-Role/x/"], "AWS keeps the path /aws-service-role/", "another"),
    *rows(PATHS, ["/a*/"], "* would stand for other names", "Choose another"),
    *rows(PATHS, ["/a?/"], "? would stand for other names", "Choose another"),
    *rows(PATHS, ["/${aws:username}/"], "${ would stand for other names", "Choose another"),
    *rows(["role.description"], ["d" * 1001], "0 to 1000 of them, and this has 1001", "Choose another"),
    *rows(["role.description"], ["a — b"], "IAM descriptions are made of Latin-1 characters only", "Remove '—'"),
    *rows(["role.maxSessionDuration"], NO_DURATIONS, "a whole number of seconds from 3600 to 43200", "Choose one"),
    *rows(["trust.mfaMaxAge"], [0, 129601, "soon", True], "whole number of seconds from 1 to 129600", "Choose one"),
    *rows(["trust.externalId"], ["", "x", "x" * 1225], "2 to 1224 of them, and this has", "Choose another"),
    *rows(["trust.externalId"], ["a b"], "external ids are made of letters, digits and _+=,.@:/- only", "Remove ' '"),
    *rows(["trust.organizationId"], NO_ORGANIZATIONS, "o- and 10 to 32 lower-case letters or digits", "Look it up"),
    *rows(["trust.sourceIps[0]"], INSIDE, "AWS sees the public address of a caller", "Find yours with"),
    *rows(["trust.sourceIps[0]"], NO_RANGES, "this is not an address or a CIDR range", "Write it like 203.0.113.0/24"),
    *rows(["trust.principalArns[0]"], NO_PRINCIPALS, "this is not the ARN of an IAM user or role", "Write it like"),
    *rows(REGIONS, ["us-east", "us-east-1a", "US-EAST-1", ""], "not the name of an AWS region", "Write it like us-"),
    *rows(PROFILES, ["", " ", "a]b", "a\nb"], "not the name of an AWS profile", "aws configure list-profiles"),
    *(
        (key, value, f"this is not the ARN of an IAM {kind}", "Write it like arn:aws:iam::111122223333:")
        for key, account, kind, prefix in [
            ("trusting.assumeRoleArn", TRUSTING, "role", "role"),
            ("trusted.assumeRoleArn", TRUSTED, "role", "role"),
            ("role.permissionsBoundary", TRUSTING, "managed policy", "policy"),
            ("user.permissionsBoundary", TRUSTED, "managed policy", "policy"),
            ("role.managedPolicies.a", TRUSTING, "managed policy", "policy"),
        ]
        for value in (
            *("Admin", f"arn:aws:iam::{account}:user/x", f"arn:aws:iam::{account}:{prefix}/"),
            *(f"arn:aws:iam::{account}:{prefix}/*", f"arn:aws:sts::{account}:assumed-role/x/y"),
            f"arn:aws:iam:us-east-1:{account}:{prefix}/x",
        )
    ),
    *rows(
        ["accessKeys[0].label"], ["a b", "", "l" * 65, True, 1.5], "a label is 1 to 64 letters", "Choose a short word"
    ),
    *rows(["trust.requireMfa", "user.forceDestroy"], ["maybe", []], "this must be true or false", "without quotes"),
    *(row for key in LISTS for row in rows([key], ["x"], "must be a list", f"the first entry as assume-role:{key}[0]")),
    *rows(BOTH, ["x"], "this must be an object with the keys", ACCOUNT_KEYS),
    *rows(["role"], ["x", [1]], "this must be an object with the keys", "name, path, description, maxSessionDuration"),
    *rows(["role.policy"], ["x"], "this must be an object with the keys", "name, file"),
    *rows(["trust"], ["x"], "this must be an object with the keys", "externalId, requireMfa, mfaMaxAge, principalArns"),
    *rows(["user"], ["x"], "this must be an object with the keys", "name, path, permissionsBoundary, policyName"),
    *rows(["accessKeys[0]"], ["x"], "this must be an object with the keys", "label, status"),
    *rows(["tags"], ["x", ["x"]], "this must be an object of names and values", "Add one as assume-role:tags."),
    *rows(["role.managedPolicies"], ["x", ["x"]], "an object of names and values", "assume-role:role.managedPolicies."),
    *rows(["tags"], [{str(n): "" for n in range(50)}], "is assume-role:owner, and these are 50", "at most 49"),
    *rows(["tags"], [{"Team": "a", "team": "b"}], "differ by more than upper and lower case", "Rename or remove one"),
    *rows(["tags.a"], ["v" * 257], "a tag value has at most 256 characters", "Shorten it"),
    *rows(["tags.a"], ["b,c"], "letters, digits, spaces and _.:/=+-@ only", "Remove ','"),
    *rows(["tags.a"], ["b\nc"], "letters, digits, spaces and _.:/=+-@ only", "Remove '\\n'"),
    # Which addresses are refused: tests/iam/test_endpoints.py.
    *rows(["endpoint"], ["https://a.com:443"], "and a.com is not a loopback address", ADVICE_ON_ENDPOINTS),
    *rows(["endpoint"], ["http://127.0.0.1\t.a.com:1"], "an endpoint is http://, a loop", ADVICE_ON_ENDPOINTS),
    *rows(["endpoint"], ["http://127.0.0.1:99999"], "this is not a URL", ADVICE_ON_ENDPOINTS),
    *rows(FILES, [5, False, 0, []], "this is not the name of a file", RELATIVE),
    *rows(FILES, ["n" * 300, "n" * 5000], "file cannot be read (File name too long)", RELATIVE),
]


@pytest.mark.parametrize(("key", "value", "rule", "fix"), WRONG)
def test_one_wrong_setting_gives_one_message(key, value, rule, fix):
    values = at(key, value)
    if key == "trust.mfaMaxAge":
        values["trust"]["requireMfa"] = True
    refused = errors_of(values)
    (error,) = refused.errors
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    assert error.key == key
    assert rule in error.problem
    assert fix in error.problem
    assert error.problem.endswith(".")
    count, line, closing = str(refused).splitlines()
    assert count == "1 setting is wrong, so nothing was changed:"
    assert line == f"  - {key} = {shown}: {error.problem}"
    assert "pulumi config set --path" in closing


# Of a name that is wrong, pydantic says the name in place of the value.
@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ('tags["assume-role:owner"]', "me", "says which stack owns a resource, and the program sets it"),
        ('tags["Assume-Role:OWNER"]', "me", "says which stack owns a resource, and the program sets it"),
        ('tags[""]', "a", "a tag name has 1 to 128 characters and does not begin with aws:. Rename it"),
        (f"tags.{'k' * 129}", "a", "a tag name has 1 to 128 characters"),
        ('tags["AWS:x"]', "a", "a tag name has 1 to 128 characters"),
        ('tags["a;b"]', "c", "letters, digits, spaces and _.:/=+-@ only. Remove ';'"),
        ('role.managedPolicies["a b"]', READ_ONLY, "a label is 1 to 64 letters, digits, _ or -. Choose a short word"),
        (
            "accessKeys",
            [{"label": each} for each in "123"],
            "a user has at most 2 access keys, by AWS's rule. Keep one",
        ),
        ("accessKeys", [{"label": "1"}, {"label": 1}], "each key needs a label of its own. Rename the newer one"),
        ("accessKeys", [{"label": "1", "status": "x"}], "this must be 'Active' or 'Inactive'. Choose one of them."),
        ("secretStore", {"kind": "SSM", "name": "/" + "n" * 600}, "this must be 'secretsmanager' or 'ssm'"),
        ("accessKeys", [{}], "this is required. Set it with: pulumi config set --path assume-role:accessKeys[0].label"),
        *((side, {"accountId": None}, f"set --path assume-role:{side}.accountId 111122223333") for side in BOTH),
    ],
)
def test_one_wrong_setting_that_is_shown_otherwise(key, value, rule):
    error = error_of({key: value} if key in BOTH else at(key, value))
    assert error.key.startswith(key)
    assert rule in error.problem


@pytest.mark.parametrize("missing", [{}, dict.fromkeys(BOTH), {side: {} for side in BOTH}, dict.fromkeys(BOTH, "")])
def test_an_empty_stack_names_both_accounts(missing):
    with pytest.raises(SettingsError, match=r"\n  - trusting.accountId: this is required") as caught:
        parse_settings(missing)
    assert [error.key for error in caught.value.errors] == ["trusting.accountId", "trusted.accountId"]


@pytest.mark.parametrize(
    "values",
    [
        *({"role": None}, {"role": {"policy": None}}, {"role": {"policy": {"file": ""}}}),
        {"role": {"policy": {"file": None, "name": None}}},
        dict.fromkeys(("user", "trust", "accessKeys", "pgpKeyFile", "secretStore", "tags", "endpoint")),
        # Pulumi.yaml declares an empty default for each key, so that the CLI knows the key.
        {"endpoint": "", "role": {}, "trust": {}, "user": {}, "tags": {}, "pgpKeyFile": "", "name": ""},
    ],
)
def test_null_and_an_empty_top_level_setting_are_the_default(values):
    assert parse_settings({**ACCOUNTS, **values}) == parse_settings(ACCOUNTS)


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("rolle", "Did you mean role?"),
        ("Endpoint", "Did you mean endpoint?"),
        ("trusting.accountID", "Did you mean accountId?"),
        ("role.maxSessionDuraton", "Did you mean maxSessionDuration?"),
        ("role.policy.fil", "Did you mean file?"),
        ("role.policy.document", "Remove it."),
        ("accessKeys[0].lable", "Did you mean label?"),
        ('role["a.b"]', "Remove it."),
        ("zzzzz", "Remove it."),
    ],
)
def test_an_unknown_key_names_the_nearest(key, advice):
    (error,) = [error for error in errors_of(at(key, "x")).errors if "this is required" not in error.problem]
    assert (error.key, error.value) == (key, "x")
    assert error.problem.startswith(f"there is no such setting. {advice} Known here: ")
    nearest = advice.removeprefix("Did you mean ").rstrip("?")
    assert nearest == "Remove it." or nearest in error.problem.split("Known here: ")[1].rstrip(".").split(", ")


def test_a_key_that_was_set_without_path():
    first, second = errors_of({"trusting.accountId": TRUSTING, "role[name]": "x"}).errors
    assert first.key == '["trusting.accountId"]'
    assert "`pulumi config set` takes it for one name without --path" in first.problem
    assert "pulumi config rm 'assume-role:trusting.accountId'" in first.problem
    assert "pulumi config set --path 'assume-role:trusting.accountId' VALUE" in first.problem
    assert "without --path" in second.problem


def test_all_errors_are_named_at_once():
    refused = errors_of(
        {
            "trusting": {"accountId": "1", "profil": "x"},
            "trusted": {"accountId": TRUSTED, "region": "moon"},
            "role": {
                "name": "a b",
                "maxSessionDuration": 1,
                "policy": {"file": "policies/none.json"},
                "managedPolicies": {"e": "x", "f.g": READ_ONLY},
            },
            "trust": {"externalId": "x", "mfaMaxAge": 900},
            "accessKeys": [{"label": "1"}, {"label": "1"}, {"label": "2"}],
            "endpoint": "http://192.0.2.1:80",
            "tags": {"a": 1, "d": None},
            "extra": {"a": 1},
        }
    )
    assert sorted(error.key for error in refused.errors) == sorted(
        [
            "trusting.accountId", "trusting.profil", "trusted.region", "role.name", "role.maxSessionDuration",
            "role.policy.file", "role.managedPolicies.e", 'role.managedPolicies["f.g"]', "trust.externalId",
            "trust.mfaMaxAge", "accessKeys", "accessKeys", "tags.a", "tags.d", "endpoint", "extra",
        ]
    )  # fmt: skip
    assert str(refused).startswith("16 settings are wrong, so nothing was changed:\n")
    assert len([line for line in str(refused).splitlines() if line.startswith("  - ")]) == 16
    assert isinstance(refused, pulumi.RunError)  # Pulumi shows it without a stack trace


# Errors between settings


def trusts(*principals, **user):
    return {"trust": {"principalArns": [f"arn:aws:iam::{TRUSTED}:{each}" for each in principals]}, "user": user}


def attached(**managed):
    return {"role": {"managedPolicies": managed, "policy": policy(ALLOW)}}


MANY_ADDRESSES = [f"203.0.{number}.0/24" for number in range(256)] * 2
LEFT_OUT = f"this leaves out the stack's own user, so nobody could use its key. Add arn:aws:iam::{TRUSTED}:user/"


@pytest.mark.parametrize(
    ("values", "key", "problem"),
    [
        (
            {"trusted": {"accountId": TRUSTING}},
            "trusted.accountId",
            "this is the trusting account too, and a rel",
        ),
        ({"trusted": {"accountId": int(TRUSTING)}}, "trusted.accountId", "this is the trusting account too"),
        (at("trusting.region", "cn-north-1"), "trusted.region", "another partition than trusting.region (cn-north-1)"),
        ({"trust": {"mfaMaxAge": 900}}, "trust.mfaMaxAge", "this needs MFA. Remove it, or use: pulumi config set"),
        ({"trust": {"mfaMaxAge": 900, "requireMfa": "false"}}, "trust.mfaMaxAge", "this needs MFA. Remove it"),
        (trusts("user/alice"), "trust.principalArns", f"{LEFT_OUT}user-1."),
        (trusts("role/user-1", "user/user"), "trust.principalArns", f"{LEFT_OUT}user-1."),
        (trusts("user/user-1", path="/people/"), "trust.principalArns", f"{LEFT_OUT}people/user-1."),
        (trusts("user/user-?", name="bob"), "trust.principalArns", f"{LEFT_OUT}bob."),
        # A wrong account id does not make right ARNs wrong.
        ({**trusts("user/user-1"), "trusted": {"accountId": "44445555666"}}, "trusted.accountId", "exactly 12 digits"),
        (attached(a=READ_ONLY, b=READ_ONLY), "role.managedPolicies", "a policy is attached once"),
        (attached(**{f"p{n}": f"arn:aws:iam::aws:policy/P{n}" for n in range(25)}), "role.managedPolicies", "are 25"),
        (
            attached(a=f"arn:aws:iam::{TRUSTING}:policy/Custom-Policy-For-Role-1"),
            "role.managedPolicies",
            "this is the role's own policy, and a policy",
        ),
        ({"trust": {"sourceIps": MANY_ADDRESSES}}, "trust", "and AWS takes at most 8,192. Shorten principalArns or"),
    ],
)
def test_settings_that_do_not_go_together(values, key, problem):
    error = error_of(values)
    assert error.key.startswith(key)
    assert problem in error.problem


@pytest.mark.parametrize("spelling", ["true", "True", "yes", "on", True])
def test_every_spelling_of_true_satisfies_the_age_of_mfa(spelling):
    assert parse_settings({**ACCOUNTS, "trust": {"requireMfa": spelling, "mfaMaxAge": 60}}).trust.require_mfa


@pytest.mark.parametrize("account", [OTHER, TRUSTING, TRUSTED])
@pytest.mark.parametrize(
    ("key", "resource", "own"),
    [
        ("trusting.assumeRoleArn", "role/x", TRUSTING),
        ("trusted.assumeRoleArn", "role/x", TRUSTED),
        ("role.permissionsBoundary", "policy/x", TRUSTING),
        ("user.permissionsBoundary", "policy/x", TRUSTED),
        ("role.managedPolicies.a", "policy/x", TRUSTING),
        ("trust.principalArns[0]", "user/*", TRUSTED),
    ],
)
def test_an_arn_is_in_the_account_and_the_partition_that_it_belongs_to(key, resource, own, account):
    values = at(key, f"arn:aws:iam::{account}:{resource}")
    if account == own:
        assert parse_settings({**ACCOUNTS, **values})
    else:
        error = next(each for each in errors_of(values).errors if each.key == key)
        assert f"this must be in the account {own}, and is in {account}. Name one of account {own}, or" in error.problem
        assert error.problem.endswith("are the two accounts swapped?")
    elsewhere = next(each for each in errors_of(at(key, f"arn:aws-cn:iam::{own}:{resource}")).errors if each.key == key)
    assert elsewhere.problem == "this is in the partition aws-cn, and us-east-1 is in aws. Correct one of them."


# Policy files


def changed(problem, **elements):
    return [(policy({**ALLOW, element: value}), problem) for element, values in elements.items() for value in values]


EXTRA = "Extra inputs are not permitted"
NO_RESOURCE = "is neither * nor an ARN with a region and an account as AWS writes them"
TEMPLATES = ("<ACCOUNT>", "<your bucket>", "<%= x %>", "{{ bucket }}", "${BUCKET}", "${AWS::AccountId}")
NOT_A_POLICY = [
    ([], "it: Input should be a valid dictionary"),
    (policy(ALLOW, Statements=[]), f"Statements: {EXTRA}"),
    ({"Statement": [ALLOW]}, "Version: Field required"),
    ({**policy(ALLOW), "Version": "2008-10-17"}, "Version: Input should be '2012-10-17'"),
    (policy(), "Statement: List should have at least 1 item"),
    (policy(ALLOW, "Allow"), "Statement[1]: Input should be a valid dictionary"),
    *changed(EXTRA, Principal=["*"], NotPrincipal=["*"], Actions=["*"]),
    *changed("Effect: Input should be 'Allow' or 'Deny'", Effect=["allow", None]),
    (policy({"Effect": "Allow", "Resource": "*"}), "Statement[0]: a statement has either Action or NotAction"),
    *changed("a statement has either Action or NotAction", NotAction=["s3:*"]),
    (policy({"Effect": "Allow", "Action": "s3:*"}), "Statement[0]: a statement has either Resource or NotResource"),
    *changed("a statement has either Resource or NotResource", NotResource=["*"]),
    *changed("List should have at least 1 item", Action=[[], None], Resource=[[], None]),
    *changed(
        "Input should be a valid string", Action=[True, {}, [["*"]], ["s3:*", 5]], Resource=[{}, [["*"]], ["*", 5]]
    ),
    *changed("is not service:Name", Action=["", "ListBuckets", "s3 :Get", "s3:", ":Get", "s3:Get Object", "s3::Get"]),
    *changed("is not service:Name", Action=["s3:Gét", "s3:a:b", "s3:x\n", " *", ["s3:*", ""]]),
    (policy(ALLOW, {**ALLOW, "Action": ["*", "Ls"]}), "Statement[1].Action[1]: 'Ls' is not service:Name"),
    *changed(NO_RESOURCE, Resource=["", "my-bucket", ["*", "arn:aws:s3:x"], "arn:", "ARN:aws:s3:::x", "arn:aws:s3:::"]),
    *changed(NO_RESOURCE, Resource=["arn:aws::::", "arn:aws:s3:::x\n", " *"]),
    *changed(NO_RESOURCE, Resource=[f"arn:aws:sqs:{region}:111122223333:x" for region in ("REGION", "{region}")]),
    *changed(
        NO_RESOURCE, Resource=[f"arn:aws:sqs:us-east-1:{a}:x" for a in ("ACCOUNT_ID", "12345678901", "{a}", "%A%")]
    ),
    *changed("Sid: a Sid has letters and digits only", Sid=["a b", "Ä"]),
    *changed("Sid: this must be a text", Sid=[5, None]),
    (policy({**ALLOW, "Sid": "A"}, ALLOW, {**ALLOW, "Sid": "A"}), "the Sid 'A' stands twice"),
    *((policy(ALLOW, Id=value), "Id: Input should be a valid string") for value in (5, None, [])),
    *changed("Condition: Input should be a valid dictionary", Condition=[None]),
    *changed("Condition.Bool: Input should be a valid dictionary", Condition=[{"Bool": True}]),
    *changed("Dictionary should have at least 1 item", Condition=[{"Bool": {}}]),
    *changed('Bool["aws:x"]: List should have at least', Condition=[{"Bool": {"aws:x": each}} for each in (None, [])]),
    *changed("neither a text nor a number", Condition=[{"Bool": {"aws:x": each}} for each in ([None], {}, ["a", {}])]),
    *changed(
        "IAM has no such operator",
        Condition=[{each: {"a:x": "y"}} for each in ("StringEqual", "NullIfExists", "ForSomeValues:Bool", "")],
    ),
    *changed("String should have at least 1 character", Condition=[{"Bool": {"": True}}]),
    *changed("is what a template left", Resource=[f"arn:aws:s3:::data/{left}/*" for left in TEMPLATES]),
    *changed("'{{x}}' is what a template left", Resource=[["*", "arn:aws:s3:::{{x}}"]], NotResource=["{{x}}"]),
    *changed("'{{x}}' is what a template left", Condition=[{"StringEquals": {"aws:SourceVpc": ["vpc-1", "{{x}}"]}}]),
    *changed("'{{x}}' is what a template left", Condition=[{"StringEquals": {"aws:RequestTag/{{x}}": "1"}}]),
]


@pytest.mark.parametrize(("document", "reason"), NOT_A_POLICY)
def test_a_file_that_is_not_a_policy(document, reason, tmp_path):
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(document))
    error = error_of(at("role.policy.file", str(file)))
    assert error[:2] == ("role.policy.file", str(file))
    assert error.problem.startswith("this is not an IAM identity policy: ")
    assert reason in error.problem
    assert error.problem.endswith(". Correct it in the policy's JSON.")


def test_all_that_is_wrong_in_a_policy_is_named_at_once():
    document = policy({**ALLOW, "Effect": "allow", "Sid": "a b"}, {**ALLOW, "Action": "Ls"})
    assert error_of(at("role.policy.file", document)).problem.count("Statement[") == 3


@pytest.mark.parametrize(
    ("content", "rule", "fix"),
    [
        (None, "the policy file cannot be read (No such file or directory)", RELATIVE),
        (b"{\xff}", "this policy is not JSON: 'utf-8' codec can't decode byte 0xff in position 1", "Correct it there"),
        (b"", "this policy is not JSON: Expecting value: line 1 column 1", "Correct it there"),
        (b"{'Version': 1}", "Expecting property name enclosed in double quotes: line 1", "Correct it there"),
        (b'{"Version": NaN}', "not JSON: Out of range float values are not JSON compliant", "Correct it there"),
        (b"[" * 3000 + b"]" * 3000, "nested too deep", "Correct it there"),
        (b" " * 1_000_001, "the policy file cannot be read (it has more than 1,000,000 bytes)", "Name another"),
        (b'{"Version": "\\ud83d"}', "can't encode character '\\ud83d'", "Correct it there"),
        (b'{"Version": "1", "Version": "2"}', "the key 'Version' stands twice in one object", "Correct it there"),
    ],
)
def test_a_file_that_is_none(content, rule, fix, tmp_path):
    file = tmp_path / "policy.json"
    if content is not None:
        file.write_bytes(content)
    error = error_of(at("role.policy.file", str(file)))
    assert rule in error.problem
    assert fix in error.problem


def test_a_document_nested_too_deep():
    nested: dict[str, object] = {}
    for _ in range(3000):
        nested = {"a": nested}
    assert "this policy is nested too deep" in error_of(at("role.policy.file", nested)).problem


@pytest.mark.timeout(10)
@pytest.mark.parametrize("key", FILES)
def test_what_never_ends_is_not_read(key, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for file in ("/dev/zero", str(tmp_path / "pipe")):
        assert "cannot be read (it is not a regular file)" in error_of(at(key, file)).problem
    assert "cannot be read (Is a directory)" in error_of(at(key, "policies")).problem


def sized(characters, filler="x"):
    """Return a policy that has so many characters without white space, of which Resource holds what is missing."""
    empty = len("".join(json.dumps(policy({**ALLOW, "Resource": "arn:aws:s3:::"})).split()))
    return policy({**ALLOW, "Resource": "arn:aws:s3:::" + filler * (characters - empty)})


def test_a_policy_has_6144_characters_without_white_space(tmp_path):
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(sized(6144), indent=100))
    assert parse_settings({**ACCOUNTS, **at("role.policy.file", str(file))}).role.policy.document == sized(6144)
    file.write_text(json.dumps(sized(6145)))
    problem = error_of(at("role.policy.file", str(file))).problem
    assert "at most 6,144 characters without white space, this has 6,145" in problem
    assert "Shorten it, for example with wildcards" in problem
    file.write_text(json.dumps(sized(3000, "é"), ensure_ascii=False), encoding="utf-8")  # each is six when it is sent
    assert "at most 6,144 characters" in error_of(at("role.policy.file", str(file))).problem


def test_policy_files_are_found_from_the_project_and_may_begin_with_a_byte_order_mark(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = parse_settings({**ACCOUNTS, **at("role.policy.file", "policies/s3-full-access.json")})
    assert settings.role.policy.document == json.loads((ROOT / "policies/s3-full-access.json").read_text())
    (tmp_path / "policy.json").write_text(json.dumps(policy(ALLOW)), encoding="utf-8-sig")
    settings = parse_settings({**ACCOUNTS, **at("role.policy.file", str(tmp_path / "policy.json"))})
    assert settings.role.policy.document == policy(ALLOW)


VARIABLES = ("${aws:username}", "${*}", "${?}", "${$}", "${www.amazon.com:user_id}", "${aws:PrincipalTag/team, 'none'}")
RIGHT_STATEMENTS = [
    *({**ALLOW, "Resource": f"arn:aws:s3:::home/{variable}/*"} for variable in VARIABLES),
    {**ALLOW, "Resource": ["arn:aws:organizations::*:", "arn:*:s3:::b", "arn:aws*:s3:::b"]},
    {**ALLOW, "Resource": ["arn:aws:iam::aws:policy/*", "arn:aws:ec2:*::image/*", "arn:aws:sqs:eu-*:1111*:x"]},
    {**ALLOW, "Resource": "arn:aws:sqs:${aws:RequestedRegion}:${aws:PrincipalAccount}:x"},
    {**ALLOW, "Resource": "arn:aws:logs:*:*:log-group:dms-serverless-replication-*:log-stream:"},
    {**ALLOW, "Condition": {"StringLike": {"aws:UserAgent": "a{b}<", "aws:PrincipalTag/x": "${aws:username}"}}},
    {**ALLOW, "Condition": {"ArnLike": {"aws:SourceArn": ["arn:aws-cn:sns:*:*:x", "arn:aws:sns:*:*:x"]}}},
    {**ALLOW, "Condition": {"ForAllValues:stringequalsIfExists": {"aws:x": ["y"]}, "Null": {"aws:x": True}}},
    {**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": True}, "NumericLessThan": {"s3:max-keys": 10}}},
    {"Effect": "Deny", "NotAction": ["iam:Get*", "sts:?et"], "NotResource": ["arn:aws:s3:::a", "*"], "Condition": {}},
]


@pytest.mark.parametrize(
    "document",
    [
        *map(policy, RIGHT_STATEMENTS),
        policy(ALLOW, Id="x"),
        policy({**ALLOW, "Sid": ""}, {**ALLOW, "Sid": ""}),  # as some tools write every statement
        policy({**ALLOW, "Action": "*", "Sid": "All"}, {**ALLOW, "Action": "*:*", "Sid": "Two"}, ALLOW, ALLOW),
        {**policy(), "Statement": ALLOW},  # a single statement needs no list
    ],
)
def test_a_policy_that_aws_takes_in_place_of_the_files_name_or_of_the_whole_policy(document):
    for key in ("role.policy.file", "role.policy"):
        assert parse_settings({**ACCOUNTS, **at(key, document)}).role.policy.document == document


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
        sides = {side: {**account, "region": "us-gov-west-1"} for side, account in ACCOUNTS.items()}
        return {**sides, "role": {"policy": {"file": policy(statement)}}}

    assert parse_settings(settings("arn:aws-us-gov:s3:::data/*"))
    error = error_of(settings("arn:aws:s3:::data/*"))
    assert error[:2] == ("role.policy", "arn:aws:s3:::data/*")
    assert error.problem == "this is in the partition aws, and us-gov-west-1 is in aws-us-gov. Correct one of them."


# What is right


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("trusting.accountId", value) for value in ("012345678901", "000000000000")),
        *(("role.name", value) for value in ("n" * 64, "Az09_+=,.@-")),
        ("role.policy.name", "n" * 128),
        *(("role.path", value) for value in ("/", "/a/b.c!/", "/a//b/", f"/{'p' * 510}/")),
        ("role.description", "ÿ ¡\t\n" + "d" * 995),
        ("role.permissionsBoundary", "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"),
        *(("trust.externalId", value) for value in ("xy", "x" * 1224, "Az09_+=,.@:/-")),
        ("trust.organizationId", "o-a1b2c3d4e5"),
        ("user.name", "first.last@example.com"),
        *(("tags", value) for value in ({}, {"Ключ 1": "_.:/=+-@ ½", "empty": ""})),
        *(("endpoint", value) for value in ("http://localhost:4599", "http://127.1.2.3:80", "https://[::1]:4599")),
    ],
)
def test_values_at_the_limits_pass_unchanged(key, value):
    found = parse_settings({**ACCOUNTS, **at(key, value)}).model_dump(by_alias=True)
    for part in key.split("."):
        found = found[part]
    assert found == value


def test_what_pulumi_or_yaml_rewrote_is_taken_where_nothing_is_lost():
    keys, role = [{"label": 1}], {"maxSessionDuration": "7200"}
    sides = {"trusting": {"accountId": 111122223333}, "endpoint": "http://127.0.0.1:4599/"}
    settings = parse_settings({**ACCOUNTS, **sides, "accessKeys": keys, "role": role})
    assert settings.trusting.account_id == TRUSTING
    assert settings.access_keys == [AccessKeyArgs(label="1")]
    assert settings.role.max_session_duration == 7200
    assert settings.endpoint == "http://127.0.0.1:4599"


def test_everything_configured_is_right_and_cannot_be_changed_after_the_check():
    settings = parse_settings(EVERYTHING)
    dumped = settings.model_dump(by_alias=True, mode="json")
    assert dumped["role"].pop("policy")["name"] == "Auditor-Permissions"
    for key, value in EVERYTHING.items():
        if key not in ("accessKeys", "role"):
            defaults = {"sessionTags": False} if key == "trust" else {"manage": True} if key in BOTH else {}
            assert dumped[key] == value | defaults
    assert [key.label for key in settings.access_keys] == ["spring", "autumn"]
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


def test_a_key_of_the_namespace_that_nobody_knows_and_what_is_not_json(load):
    problem = r"rolle = \{\"name\": \"x\"\}: there is no such setting\. Did you mean role\?"
    with pytest.raises(SettingsError, match=problem):
        load(**ACCOUNTS, rolle={"name": "x"})
    with pytest.raises(SettingsError, match=r'role = "\{name: x": this must be an object'):
        load(**ACCOUNTS, role="{name: x")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trust", {"externalId": "hush"}),
        ("trust", {"externalId": "hush!"}),
        ("endpoint", "http://hush.example.com:4566"),
    ],
)
def test_a_secret_setting_is_refused_and_no_rule_quotes_it(load, key, value):
    with pytest.raises(SettingsError) as caught:
        load(secret_keys=(key,), **ACCOUNTS, **{key: value})
    (error,) = caught.value.errors
    assert error[:2] == (key, None)
    assert error.problem.startswith("this is stored as a secret, but previews, tags, names and trust policies")
    assert error.problem.endswith("Set it again without --secret.")
    assert "hush" not in str(caught.value)


def test_the_defaults_in_pulumi_yaml_are_the_programs_own(load):
    yaml = pytest.importorskip("yaml")
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    own = {key: each["default"] for key, each in declared.items() if ":" not in key}
    assert own.keys() - {"pgpKeyFile"} == {field.alias for field in RelationshipArgs.model_fields.values()} - {"pgpKey"}
    assert load(**{**own, **ACCOUNTS}) == parse_settings(ACCOUNTS)


# Warnings


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


def warnings(**settings):
    return parse_settings({**ACCOUNTS, **settings}).warnings()


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
    sides = {"trusting": {"accountId": TRUSTING, **trusting}, "trusted": {"accountId": TRUSTED, **trusted}}
    warning = (
        "trusting and trusted are deployed with the same credentials, so one of them will be refused. "
        "Set a profile for each: pulumi config set --path assume-role:trusting.profile NAME"
    )
    assert warnings(**sides, endpoint=endpoint) == ([warning] if warned else [])


@pytest.mark.parametrize(("region", "warned"), [("*", True), ("?*", True), ("eu-west-1", False)])
def test_a_pattern_for_roles_of_identity_center_misses_those_of_us_east_1(region, warned):
    path = f"aws-reserved/sso.amazonaws.com/{region}/AWSReservedSSO_Admin_*"
    said = warnings(trust={"principalArns": [f"arn:aws:iam::{TRUSTED}:user/*", f"arn:aws:iam::{TRUSTED}:role/{path}"]})
    assert ["sso.amazonaws.com/*AWSReservedSSO_Admin_*" in each for each in said] == [True] * warned


@pytest.mark.parametrize(
    ("statement", "warned"),
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
def test_a_policy_that_allows_everything_is_a_warning(statement, warned):
    said = warnings(role={"policy": policy({"Effect": "Allow"} | statement)})
    assert ["allows every action" in each for each in said] == [True] * warned


@pytest.mark.parametrize(("ranges", "warned"), [(80, False), (120, True)])
def test_a_trust_policy_longer_than_aws_takes_by_default_is_a_warning(ranges, warned):
    said = warnings(trust={"sourceIps": [f"203.0.113.{number}/32" for number in range(ranges)]})
    assert [each.startswith("the trust policy has 2,") for each in said] == [True] * warned


# Arguments that are built in code


def test_arguments_built_in_code_obey_the_rules_between_sections():
    right = {"trusting": AccountArgs(account_id=TRUSTING), "trusted": AccountArgs(account_id=TRUSTED)}
    right["role"] = {"policy": policy(ALLOW)}
    RelationshipArgs(**right)
    with pytest.raises(ValidationError, match="this is the trusting account too"):
        RelationshipArgs(**right | {"trusted": right["trusting"]})
    with pytest.raises(ValidationError, match="at most 2 access keys"):
        RelationshipArgs(**right, access_keys=tuple(AccessKeyArgs(label=label) for label in "123"))
    with pytest.raises(ValidationError, match="AWS sees the public address"):
        RelationshipArgs(**right, trust={"source_ips": ("10.0.0.0/8",)})


def test_a_section_built_in_code_obeys_its_own_rules():
    with pytest.raises(ValidationError, match="this must be in the account"):
        AccountArgs(account_id=TRUSTING, assume_role_arn=f"arn:aws:iam::{OTHER}:role/x")
    with pytest.raises(ValidationError, match="this needs MFA"):
        TrustArgs(mfa_max_age=60)
