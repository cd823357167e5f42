"""The picture: it shows what is deployed, nothing leaves its box, and no secret is in it."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from tests.factories import KEY, OLD_KEY, SECRET, TRUSTED, TRUSTING, outputs, trust
from tests.proxy import Proxy, proxy_before
from tools import svg, wording
from tools.commands import diagram
from tools.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Accounts, Project

TODAY = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMESPACE = "{http://www.w3.org/2000/svg}"


def report(**changes: object) -> dict[str, Any]:
    """Return a saved report, whose keys are of 91 and 90 days before `TODAY`."""
    old, new = TODAY - timedelta(days=91, hours=1), TODAY - timedelta(days=90)
    return {
        "stack": "prod",
        "time": "2026-11-23T11:00:00+00:00",
        "verdict": "disproven",
        "rows": [
            {"check": "the key", "expected": "the user's", "observed": SECRET, "seconds": 0.1, "verdict": "proven"},
            {"check": "no other policy", "expected": "none", "observed": "one", "verdict": "disproven"},
        ],
        "keys": [
            {"label": "old", "id": OLD_KEY, "status": "Active", "created": old.isoformat(), "lastUsed": None},
            {"label": "new", "id": KEY, "created": new.isoformat(), "lastUsed": "2026-11-22T08:00:00+00:00"},
        ],
    } | changes


def proof(**changes: object) -> diagram.Proof:
    return diagram.Proof.model_validate(report(**changes))


def drawn(proof: diagram.Proof | None = None, *, stack: str = "prod", **terms: object) -> str:
    return diagram.draw(stack, outputs(terms=terms), proof, today=TODAY)


def words(picture: str) -> str:
    """Return what a viewer reads, without tooltips, a line for each text."""
    root = ET.fromstring(picture)  # noqa: S314 - our own text
    texts = ("".join([text.text or "", *(part.tail or "" for part in text)]) for text in root.iter(f"{NAMESPACE}text"))
    return "\n".join(texts)


def test_the_picture_shows_both_accounts_and_all_that_is_deployed() -> None:
    shown = words(drawn())
    for fact in (
        *(TRUSTING, TRUSTED, "us-east-1", "eu-west-1", "Assume-Role-1", "user-1", "sts:AssumeRole"),
        *("Custom-Policy-For-Role-1", "may use every action of s3 on every resource", "Custom-Assume-Role-Policy"),
        *(f"key new: {KEY}, Active", f"key old: {OLD_KEY}, Inactive", "sessions of at most 1 h 30 min"),
        *("stack prod", f"account {TRUSTED}", "not proven yet: run make verify"),
    ):
        assert fact in shown


def test_a_stack_that_does_not_tell_the_names_of_its_policies_is_drawn_without_them() -> None:
    shown = words(drawn(policyNames=None))
    assert "Custom-" not in shown
    assert "may use every action of s3 on every resource" in shown


def test_further_policies_of_the_role_are_shown() -> None:
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    picture = drawn(managedPolicies={"audit": arn})
    assert "ReadOnlyAccess" in words(picture)
    assert f"and all of {arn}" in picture


def test_of_many_statements_the_first_are_shown_and_the_others_are_in_the_tooltip() -> None:
    picture = drawn(permissionPolicy={"Statement": [{"Action": f"s3:Action{n}", "Resource": "*"} for n in range(6)]})
    assert "may use s3:Action3 on every resource" in words(picture)
    assert "may use s3:Action5" not in words(picture)
    assert "<title>and 2 more: may use s3:Action4 on every resource; may use s3:Action5" in picture


def test_a_device_is_no_proof() -> None:
    with pytest.raises(StackError, match="no regular file"):
        diagram.read_proof(Path("/dev/zero"), "prod")


def test_no_secret_is_in_the_picture() -> None:
    assert SECRET not in drawn(proof())
    assert "secret" not in drawn(proof()).lower()


def test_the_same_facts_make_the_same_picture() -> None:
    assert drawn(proof()) == drawn(proof())


def test_a_key_older_than_90_days_is_a_warning_and_one_of_90_is_not() -> None:
    shown = words(drawn(proof()))
    assert shown.count("older than 90 days: rotate it") == 1
    assert shown.index(OLD_KEY) < shown.index("91 days old") < shown.index("older than 90 days") < shown.index(KEY)
    assert "made 2026-08-26, 90 days old\nlast used 2026-11-22" in shown


def test_the_list_of_keys_is_the_stack_s_and_only_dates_are_the_proof_s() -> None:
    shown = words(drawn(proof()))
    assert f"key old: {OLD_KEY}, Inactive" in shown  # it was active when the proof was made
    assert "no use recorded by 2026-11-23" in shown
    replaced = [{"label": "new", "id": "AKIAREPLACEDEXAMPLE1", "created": "2020-01-01T00:00:00+00:00"}]
    shown = words(drawn(proof(keys=replaced)))
    assert shown.count("age unknown") == 2
    assert "2020" not in shown
    assert "REPLACED" not in shown


def test_without_a_proof_or_with_one_that_does_not_know_the_age_is_unknown() -> None:
    silent = [{"label": "new", "id": KEY, "created": None, "lastUsed": None}]
    for shown in (words(drawn()), words(drawn(proof(keys=silent))), words(drawn(proof(keys=[])))):
        assert shown.count("age unknown") == 2
        assert "older than" not in shown


EVERY_CONDITION = trust(
    StringEquals={"sts:ExternalId": "x<&>\"'" + "e" * 1200, "aws:PrincipalOrgID": "o-a1b2c3d4e5"},
    Bool={"aws:MultiFactorAuthPresent": "true"},
    NumericLessThanEquals={"aws:MultiFactorAuthAge": "900"},
    ArnLike={"aws:PrincipalArn": [f"arn:aws:iam::{TRUSTED}:user/{'W' * 64}", f"arn:aws:iam::{TRUSTED}:role/ci-*"]},
    IpAddress={"aws:SourceIp": ["203.0.113.0/24"]},
    StringLike={"aws:PrincipalTag/" + "t" * 128: "v" * 256},
)


def test_every_condition_of_the_trust_policy_is_shown() -> None:
    lines = words(drawn(trustPolicy=EVERY_CONDITION)).split("\n")
    for condition in ("external id", "organization", "MFA", "MFA age", "principals", "source IPs"):
        assert condition in lines
        assert f"checks {condition}" in lines
    assert {"o-a1b2c3d4e5", "required", "at most 15 min", "203.0.113.0/24"} <= set(lines)
    assert any("aws:PrincipalTag/" in line for line in lines)


def crowded() -> str:
    many = [{"Effect": "Allow", "Action": ["ec2:" + "D" * 60] * 9, "Resource": "r" * 500}] * 9
    failed = [{"check": "c" * 300, "verdict": "disproven", "expected": "e" * 300}] * 30
    long = outputs(
        role="R" * 64,
        user="W" * 64,
        terms={
            "trustPolicy": EVERY_CONDITION,
            "permissionPolicy": {"Statement": many},
            "policyNames": {"role": "P" * 128, "user": "Q" * 128},
            "managedPolicies": {str(number): "arn:aws:iam::aws:policy/" + "M" * 128 for number in range(3)},
            "endpoint": "http://127.0.0.1:4599/" + "x" * 200,
        },
    )
    keys = {letter * 64: long.access_keys["old"] for letter in "kl"}
    long = long.model_copy(update={"access_keys": keys, "role_arn": long.role_arn.replace("/", "/" + "p" * 512 + "/")})
    return diagram.draw("s" * 100, long, proof(rows=failed), today=TODAY)


@pytest.mark.parametrize("picture", [drawn(), drawn(proof()), crowded()], ids=["default", "proven", "crowded"])
def test_no_text_leaves_its_box_however_long_the_names_are(picture: str) -> None:
    styles = (svg.NAME, svg.CODE, svg.SMALL_CODE, svg.NOTE, svg.MINOR)
    width = {style.css.split()[-1]: style.advance for style in styles}
    root = ET.fromstring(picture)  # noqa: S314 - our own text
    boxes = [
        tuple(float(box.get(side, "0")) for side in ("x", "y", "width", "height"))
        for box in root.iter(f"{NAMESPACE}rect")
    ]
    for text in root.iter(f"{NAMESPACE}text"):
        line = "".join([text.text or "", *(part.tail or "" for part in text)])
        css = str(text.get("class")).split()
        assert "mono" in css or not re.search(
            r"(\w)\1{9}", line
        )  # nobody knows how wide that is in a proportional font
        advance = next((width[name] for name in css if name in width), None)
        if advance is None:
            continue  # titles and headings: fixed words
        x, y, length = float(text.get("x", "0")), float(text.get("y", "0")), len(line) * advance
        if "middle" in css:
            assert length <= diagram.GUTTER
            continue
        start = x - length if "end" in css else x
        assert any(
            left <= start and start + length <= left + wide and top < y < top + high
            for left, top, wide, high in boxes[1:]
        ) or (start + length <= diagram.WIDTH and y < diagram.PANEL_TOP), line


def test_what_is_shortened_is_whole_in_its_tooltip() -> None:
    root = ET.fromstring(crowded())  # noqa: S314 - our own text
    for text in root.iter(f"{NAMESPACE}text"):
        tail = "".join(part.tail or "" for part in text)
        if svg.ELLIPSIS in tail + (text.text or ""):
            tooltip = text.find(f"{NAMESPACE}title")
            assert tooltip is not None
            assert tooltip.text
            assert svg.ELLIPSIS not in tooltip.text


def test_names_cannot_break_the_xml() -> None:
    nasty = "<script>&\"'\x00\x1b\N{BELL}</svg>"
    picture = drawn(stack=nasty, policyNames={"role": nasty, "user": nasty})
    assert "<script>" not in picture
    assert words(picture).count("<script>&\"'") == 3


def test_it_is_accessible_and_readable_in_both_themes() -> None:
    text = drawn()
    root = ET.fromstring(text)  # noqa: S314 - our own text
    assert root.get("role") == "img"
    ids = {part.get("id") for part in root if part.tag in (f"{NAMESPACE}title", f"{NAMESPACE}desc")}
    assert ids == set(str(root.get("aria-labelledby")).split())
    assert "The user user-1 of account 444455556666 may assume the role Assume-Role-1" in text
    light, dark = text.split("@media (prefers-color-scheme:dark)")
    colours = re.compile(r"\.(\w+)\{fill:(#\w+)")
    assert dict(colours.findall(light)).keys() == dict(colours.findall(dark)).keys() == svg.COLOURS.keys()
    assert not re.search(r"(href|src|url\()", text)  # GitHub shows no picture that loads anything


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ({"Action": "*", "Resource": "*"}, "may use every action of every service on every resource"),
        (
            {"Action": ["s3:GetObject", "ec2:*"], "Resource": ["a", "b"]},
            "may use s3:GetObject, every action of ec2 on a, b",
        ),
        ({"NotAction": "iam:*", "Resource": "*"}, "may use everything except iam:* on every resource"),
        ({"Action": "s3:*", "NotResource": "a"}, "may use every action of s3 on everything except a"),
        (
            {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"k": "v"}}},
            "may not use every action of s3 on every resource, under conditions",
        ),
    ],
)
def test_a_statement_reads_as_a_sentence(statement: dict[str, Any], sentence: str) -> None:
    assert wording.sentences({"Statement": {"Effect": "Allow"} | statement}) == [sentence]


def test_the_last_proof_is_shown_with_what_failed(tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(report()))
    shown = words(drawn(diagram.read_proof(file, "prod")))
    assert "Last proof, 2026-11-23 11:00 UTC" in shown
    assert "disproven, 1 of 2 checks passed" in shown
    assert "disproven: no other policy (expected: none)" in shown


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "Cannot read the proof"),
        ("{", "is not what `python -m tools verify --save` writes"),
        (json.dumps(report(time="2026-11-23T11:00:00")), "is not what `python -m tools verify --save` writes"),
        (json.dumps(report(stack="other")), "is a proof of stack other, not of prod"),
    ],
)
def test_a_wrong_proof_is_refused_with_the_fix(tmp_path: Path, content: str | None, problem: str) -> None:
    file = tmp_path / "proof.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(StackError, match=problem) as refusal:
        diagram.read_proof(file, "prod")
    assert f"python -m tools verify --stack prod --save {file}" in str(refusal.value)


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory,
    next_accounts: Callable[[], Accounts],
    make_standing: Callable[[Path, Accounts], Project],
) -> Iterator[tuple[Project, Proxy]]:
    """Yield a deployed and proven project, and the proxy that sees whatever asks its AWS."""
    project = make_standing(tmp_path_factory.mktemp("watched"), next_accounts())
    with proxy_before(project.endpoint) as proxy:
        project.stand_behind(proxy.url)
        project.python("-m", "tools", "verify", "--stack", "test", "--save", ".local/proof-test.json")
        yield project, proxy


def test_a_deployed_stack_is_drawn_by_one_call_of_the_cli_and_none_of_aws(
    watched: tuple[Project, Proxy], tmp_path: Path
) -> None:
    deployed, proxy = watched
    calls, cli, path = tmp_path / "calls", tmp_path / "pulumi", deployed.environment["PATH"]
    cli.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {shutil.which("pulumi", path=path)} "$@"\n')
    cli.chmod(0o700)
    proxy.calls.clear()

    done = deployed.python(
        *("-m", "tools", "diagram", "--stack", "test"), environment={"PATH": f"{tmp_path}{os.pathsep}{path}"}
    )

    assert (len(calls.read_text().splitlines()), proxy.actions) == (1, [])
    file = deployed.path / ".local" / "diagram-test.svg"
    assert done.stdout.strip() == str(file)
    assert len(calls.read_text().splitlines()) == 1
    text = file.read_text()
    shown = deployed.outputs()
    for fact in (shown["roleArn"], shown["userArn"], shown["accessKeyId"], "Custom-Policy-For-Role-1"):
        assert fact in text
    assert "0 days old, no use recorded" in text
    assert "Last proof: proven on" in text
    assert shown["secretAccessKey"] not in text + done.stdout + done.stderr


def test_a_stack_that_is_not_there_and_a_file_that_cannot_be_written_are_failures(
    watched: tuple[Project, Proxy],
) -> None:
    deployed, _ = watched
    absent = deployed.python("-m", "tools", "diagram", "--stack", "absent", check=False)
    assert (absent.returncode, "no stack named 'absent'" in absent.stderr) == (2, True)
    command = ("-m", "tools", "diagram", "--stack", "test")
    nowhere = deployed.python(*command, "--output", "/dev/null/x.svg", check=False)
    assert (nowhere.returncode, "Name another file with --output" in nowhere.stderr) == (1, True)
    unproven = deployed.python(*command, "--proof", "absent.json", check=False)
    assert (unproven.returncode, "Cannot read the proof absent.json" in unproven.stderr) == (2, True)
    assert "Traceback" not in absent.stderr + nowhere.stderr + unproven.stderr
