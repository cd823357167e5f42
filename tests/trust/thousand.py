"""`make trust`: 1,000 cases by chance before both judges, a table of what came out, and faults that must be noticed."""

import copy
import functools
import itertools
import os
import random

import pytest

from components.models import TrustArgs
from tests.trust.cases import broken, cases, rules
from tests.trust.generated import generate
from tests.trust.judges import BLIND_SPOTS, blind, second_opinion, unexplained

COUNT = 1000
SEED = int(os.environ.get("TRUST_SEED") or random.randrange(1_000_000))  # noqa: S311 - no secret
SETTINGS = [field.alias for field in TrustArgs.model_fields.values()]

KEYS = {  # by operator, in the trust policies that the program writes
    "aws:PrincipalArn": "ArnLike",
    "aws:PrincipalOrgID": "StringEquals",
    "aws:MultiFactorAuthPresent": "Bool",
    "aws:MultiFactorAuthAge": "NumericLessThanEquals",
    "aws:SourceIp": "IpAddress",
    "sts:ExternalId": "StringEquals",
}
# Not among them, as they mean the same where the program writes them: StringLike for the external id and the
# organization (neither has wildcards), IfExists for the age (MFA is required beside it).
FAULTS = {
    "everybody is trusted": lambda statement: statement.update(Principal={"AWS": "*"}),
    "the other account is trusted": lambda statement: statement.update(Principal={"AWS": "777788889999"}),
    **{f"without {key}": functools.partial(lambda key, statement: _change(statement, key, None), key) for key in KEYS},
    "external id in any case": lambda statement: _change(statement, "sts:ExternalId", "StringEqualsIgnoreCase"),
    "MFA if known": lambda statement: _change(statement, "aws:MultiFactorAuthPresent", "BoolIfExists"),
    "address if known": lambda statement: _change(statement, "aws:SourceIp", "IpAddressIfExists"),
    "organization if known": lambda statement: _change(statement, "aws:PrincipalOrgID", "StringEqualsIfExists"),
    "age less than": lambda statement: _change(statement, "aws:MultiFactorAuthAge", "NumericLessThan"),
    "names without wildcards": lambda statement: _change(statement, "aws:PrincipalArn", "StringEquals"),
    "all but these names": lambda statement: _change(statement, "aws:PrincipalArn", "ArnNotLike"),
    "all but these addresses": lambda statement: _change(statement, "aws:SourceIp", "NotIpAddress"),
}


@pytest.fixture(scope="module")
def asked():
    return generate(SEED, COUNT)


def test_who_gets_in(asked, embedded, evaluator, capsys):
    with capsys.disabled():
        print(f"\n{COUNT} cases of seed {SEED}, about a minute. Once more: TRUST_SEED={SEED} make trust")  # noqa: T201
    answers = {
        "emulator": [embedded.lets_in(case) for case in asked],
        "second opinion": second_opinion(evaluator, asked),
    }
    faults = {judge: unexplained(judge, asked, given) for judge, given in answers.items()}
    with capsys.disabled():
        print("\n".join(_report(asked, faults)))  # noqa: T201 - to be read is its purpose
    assert not any(faults.values()), faults


def test_so_many_cover_every_setting_and_every_two_of_them():
    asked = generate(11, COUNT)
    for setting in SETTINGS:
        assert any(broken(case) == [setting] for case in asked), setting
    for pair in itertools.combinations(SETTINGS, 2):
        assert {case.gets_in for case in asked if set(pair) <= set(case.trust)} == {True, False}, pair


@pytest.mark.parametrize("fault", FAULTS)
def test_the_case_files_notice(fault, evaluator):
    def faulty(policy):
        policy = copy.deepcopy(policy)
        FAULTS[fault](policy["Statement"][0])
        return policy

    assert unexplained("second opinion", cases(), second_opinion(evaluator, cases(), faulty))


def _change(statement, key, operator):
    """Move a condition to another operator; to none, and it is gone."""
    conditions = statement.get("Condition", {})
    if key in conditions.get(KEYS[key], {}):
        value = conditions[KEYS[key]].pop(key)
        if operator:
            conditions.setdefault(operator, {})[key] = value
        statement["Condition"] = {operator: keys for operator, keys in conditions.items() if keys}


def _report(asked, faults):
    let_in = sum(case.gets_in for case in asked)
    yield f"{let_in} get in, {COUNT - let_in} do not"
    yield f"{'rule':22}{'in question':>12}{'alone refuses':>15}"
    for rule in rules(asked[0]):
        concerned = sum(rule in case.trust or rule not in SETTINGS for case in asked)
        yield f"{rule:22}{concerned:12}{sum(broken(case) == [rule] for case in asked):15}"
    for judge, spots in BLIND_SPOTS.items():
        blinded = [blind(judge, case) for case in asked]
        whole = sum(not names for names in blinded)
        yield f"{judge}: sees {whole} whole, {COUNT - whole} not; {len(faults[judge])} unexplained differences"
        yield from (f"    {name:34}{sum(name in names for names in blinded):6}" for name in spots)
