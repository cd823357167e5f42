"""Who gets in, by case files that anyone can read: the right answer, the embedded AWS's, and a second opinion."""

import pytest

from components.models import TrustArgs
from tests.trust.cases import broken, cases
from tests.trust.generated import generate
from tests.trust.judges import BLIND_SPOTS, answer, blind, second_opinion, unexplained

CASES = cases()
SAMPLE = generate(seed=11, count=100)  # `make trust` asks a thousand
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.shows)


@pytest.fixture(scope="module")
def opinions(evaluator):
    asked = [*CASES, *SAMPLE]
    return dict(zip((case.shows for case in asked), second_opinion(evaluator, asked), strict=True))


@each_case
def test_the_files_say_what_the_settings_mean(case):
    assert (not broken(case)) is case.gets_in
    assert {judge: blind(judge, case) for judge in BLIND_SPOTS if blind(judge, case)} == case.blind


@each_case
def test_the_embedded_aws(case, embedded):
    assert embedded.lets_in(case) is answer("emulator", case)


@each_case
def test_the_second_opinion(case, opinions):
    assert opinions[case.shows] is answer("second opinion", case)


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


def test_the_embedded_aws_on_a_sample(embedded):
    answers = [embedded.lets_in(case) for case in SAMPLE]
    assert unexplained("emulator", SAMPLE, answers) == []


def test_the_second_opinion_on_a_sample(opinions):
    assert unexplained("second opinion", SAMPLE, [opinions[case.shows] for case in SAMPLE]) == []
