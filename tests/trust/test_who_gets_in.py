"""Who gets in, by case files that anyone can read: the right answer, the emulator's, and a second opinion."""

import copy
import functools

import pytest

from components.models import TrustArgs
from tests.trust.cases import broken, cases
from tests.trust.judges import BLIND_SPOTS, answer, blind, second_opinion, unexplained

CASES = cases()
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
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.shows)


@pytest.fixture(scope="module")
def opinions(evaluator):
    """Return the second opinion on each case, by the fault in its trust policy; None: without one."""
    asked = [(case, fault) for fault in (None, *FAULTS) for case in CASES]
    answers = iter(second_opinion(evaluator, [(case, with_fault(case, fault)) for case, fault in asked]))
    return {fault: [next(answers) for _ in CASES] for fault in (None, *FAULTS)}


def with_fault(case, fault):
    policy = copy.deepcopy(case.deployed.trusting_role.trust_policy)
    if fault:
        FAULTS[fault](policy["Statement"][0])
    return policy


@each_case
def test_the_files_say_what_the_settings_mean(case):
    assert (not broken(case)) is case.gets_in
    assert {judge: blind(judge, case) for judge in BLIND_SPOTS if blind(judge, case)} == case.blind


@each_case
def test_the_emulator(case, emulated):
    assert emulated.lets_in(case) is answer("emulator", case)


def test_the_second_opinion(opinions):
    assert unexplained("second opinion", CASES, opinions[None]) == []


def test_no_case_is_there_twice():
    assert len({case.shows for case in CASES}) == len(CASES)


def test_every_case_has_a_judge_that_sees_it_whole():
    assert [case.shows for case in CASES if set(case.blind) == set(BLIND_SPOTS)] == []


@pytest.mark.parametrize(("judge", "spot"), [(judge, spot) for judge, spots in BLIND_SPOTS.items() for spot in spots])
def test_every_blind_spot_alone_makes_a_judge_wrong(judge, spot):
    """As the judges must answer just so, a blind spot that is none any more fails there."""
    assert [case for case in CASES if case.blind.get(judge) == [spot] and answer(judge, case) is not case.gets_in]


@pytest.mark.parametrize("setting", [field.alias for field in TrustArgs.model_fields.values()])
def test_every_setting_lets_in_and_keeps_out(setting):
    concerned = [case for case in CASES if setting in case.trust]
    assert [case for case in concerned if case.gets_in]
    assert [case for case in concerned if broken(case) == [setting]]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_trust_policy_is_noticed(fault, opinions):
    assert unexplained("second opinion", CASES, opinions[fault])


def _change(statement, key, operator):
    """Move a condition to another operator; to none, and it is gone."""
    conditions = statement.get("Condition", {})
    if key in conditions.get(KEYS[key], {}):
        value = conditions[KEYS[key]].pop(key)
        if operator:
            conditions.setdefault(operator, {})[key] = value
        statement["Condition"] = {operator: keys for operator, keys in conditions.items() if keys}
