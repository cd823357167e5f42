"""`make diagram`: it shows what is deployed, no configured text breaks it, and it holds no secret."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.factories import KEY, OLD_KEY, SECRET, TRUSTED, TRUSTING, outputs, trust
from tools.commands import diagram
from tools.console import StackError
from tools.proof.report import Proof, read_proof

TODAY = datetime(2026, 11, 24, 12, tzinfo=UTC)
REPORT = {
    "stack": "prod",
    "time": "2026-11-23T11:00:00+00:00",
    "verdict": "disproven",
    "rows": [
        {"check": "the key", "verdict": "proven", "observed": SECRET},
        {"check": "no other policy", "verdict": "disproven"},
    ],
    "keys": [
        {"id": OLD_KEY, "created": (TODAY - timedelta(days=91, hours=1)).isoformat()},
        {"id": KEY, "created": (TODAY - timedelta(days=90)).isoformat()},
    ],
}
CONDITIONS = {
    "StringEquals": {"sts:ExternalId": 'a"b]--> <x>`#\n'},
    "IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::1"]},
}


def drawn(report=None, **terms):
    proof = Proof.model_validate(report) if report else None
    return diagram.draw("prod", outputs(terms=terms), proof, today=TODAY)


def test_it_shows_accounts_policies_keys_and_the_last_proof():
    text = drawn(REPORT, managedPolicies={"audit": "arn:aws:iam::aws:policy/ReadOnlyAccess"})
    for fact in (
        f"trusted account {TRUSTED}",
        f"trusting account {TRUSTING}",
        f"trusts arn:aws:iam::{TRUSTED}:root",
        "policy Custom-Policy-For-Role-1<br/>Allow s3:#42; on #42;",
        "policy arn:aws:iam::aws:policy/ReadOnlyAccess",
        f"{OLD_KEY}, Inactive, 91 days: rotate it",
        f'{KEY}, Active, 90 days"',
        "last proof: disproven, 2026-11-23 11:00 UTC<br/>disproven: no other policy",
    ):
        assert fact in text
    assert SECRET not in text
    assert "not proven yet: run make verify" in drawn()
    assert drawn(REPORT | {"keys": []}).count("age not known") == 2


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ({"Action": ["s3:GetObject", "ec2:Start"], "Resource": ["a", "b"]}, "Allow s3:GetObject, ec2:Start on a, b"),
        ({"NotAction": "iam:Get", "NotResource": "a"}, "Allow all but iam:Get on all but a"),
        ({"Effect": "Deny", "Action": "a", "Resource": "b", "Condition": {"Bool": {}}}, "Deny a on b under conditions"),
    ],
)
def test_each_statement_is_a_line(statement, line):
    assert line in drawn(permissionPolicy={"Statement": {"Effect": "Allow"} | statement})


def test_conditions_are_shown_and_no_text_ends_its_label():
    (arrow,) = [line for line in drawn(trustPolicy=trust(**CONDITIONS)).splitlines() if " -->" in line]
    assert re.fullmatch(r'  user -->\|"[A-Za-z0-9 .,:/@+=#;<>-]+"\| role', arrow)
    assert "StringEquals sts:ExternalId a#34;b#93;--#62; #60;x#62;#96;#35;#10;<br/>IpAddress" in arrow
    assert "aws:SourceIp 10.0.0.0/8, ::1" in arrow


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "Cannot read the proof"),
        ("{", "is not what `python -m tools verify --save` writes"),
        (json.dumps(REPORT | {"time": "2026-11-23T11:00:00"}), "is not what `python -m tools verify --save` writes"),
        (json.dumps(REPORT | {"stack": "other"}), "is a proof of stack other, not of prod"),
    ],
)
def test_a_wrong_proof_is_refused_with_the_fix(tmp_path, content, problem):
    file = tmp_path / "proof.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(StackError, match=problem) as refusal:
        read_proof(file, "prod")
    assert f"python -m tools verify --stack prod --save {file}" in str(refusal.value)
    with pytest.raises(StackError, match="no regular file"):
        read_proof(Path("/dev/zero"), "prod")


def test_a_deployed_stack_is_drawn(deployed):
    deployed.python("-m", "tools", "verify", "--stack", "test", "--save", ".local/proof-test.json")
    done = deployed.python("-m", "tools", "diagram", "--stack", "test")
    file = deployed.path / ".local/diagram-test.mmd"
    text = file.read_text()
    assert done.stdout == f"{file}\n"
    assert text.startswith("flowchart LR\n")
    values = deployed.outputs()
    for fact in (values["roleArn"], values["userArn"], f"{values['accessKeyId']}, Active, 0 days", "proof: proven"):
        assert fact in text
    assert values["secretAccessKey"] not in text + done.stdout + done.stderr

    deployed.run("make", "diagram", "STACK=test", "OUTPUT=docs.md")
    assert (deployed.path / "docs.md").read_text() == f"```mermaid\n{text}```\n"
