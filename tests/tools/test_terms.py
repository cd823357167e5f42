"""Where the tools find the terms: with the relationship in the state, or with a stack's outputs, as earlier commits."""

import json

from tests.factories import SECRET, printed_outputs
from tools.stack import SIGNATURE, Outputs, outputs_of


def export(stack, relationship):
    resources = [
        {"type": "pulumi:pulumi:Stack", "outputs": stack},
        {"type": "assume-role:index:Relationship", "outputs": relationship},
    ]
    return {"deployment": {"resources": resources}}


def test_terms_are_those_of_the_relationship():
    printed = printed_outputs()
    terms = printed.pop("terms")
    hidden = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(SECRET)}
    found = outputs_of(export(printed | {"secretAccessKey": hidden}, {"terms": terms}))
    assert found == printed | {"terms": terms, "shown": printed | {"secretAccessKey": "[secret]"}}
    assert Outputs.model_validate(found).terms.trust_policy == terms["trustPolicy"]


def test_a_stack_of_an_earlier_commit_is_read_too():
    printed = printed_outputs()
    assert outputs_of(export(printed, {})) == printed | {"shown": printed}


def test_a_stack_that_is_not_deployed_has_none():
    assert outputs_of({}) == outputs_of({"deployment": {}}) == outputs_of(export({}, {"terms": {}})) == {}
