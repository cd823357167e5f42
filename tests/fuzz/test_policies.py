"""Identity policies by chance, half of them with one fault: accepted only where there is none, and each is named."""

import json
import re

import pytest
from hypothesis import strategies as st

from components.configuration import SettingsError, parse_settings
from components.iam.documents import same_document, size
from components.iam.limits import MAX_POLICY_CHARACTERS
from tests.components.conftest import ACCOUNTS
from tests.fuzz.counting import tried
from tests.fuzz.policy_grammar import right_policies, wrong_policies

POLICIES = st.booleans().flatmap(lambda right: st.tuples(right_policies(), st.just("")) if right else wrong_policies())


@pytest.fixture(scope="session")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("policies") / "policy.json"


@tried(150, policy=POLICIES)
def test_a_policy_is_refused_for_its_fault_alone(policy, file):
    document, says = policy
    file.write_text(json.dumps(document, indent=1))
    if says:
        with pytest.raises(SettingsError) as refused:
            parse_settings({**ACCOUNTS, "role": {"policy": {"file": str(file)}}})
        (fault,) = refused.value.faults
        assert (fault.key, fault.value) == ("role.policy.file", str(file))
        assert re.search(says, fault.problem)
        str(refused.value).encode()  # it can be shown
        return "refused"
    accepted = parse_settings({**ACCOUNTS, "role": {"policy": {"file": str(file)}}}).role.policy.document
    assert same_document(accepted, document)
    assert size(accepted) <= MAX_POLICY_CHARACTERS
    return "accepted"
