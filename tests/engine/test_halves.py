"""A vendor and a customer: two checkouts, each with credentials of its own account only, make one relationship."""

import configparser
import json

import pytest
import yaml

from tests.factories import policy, trust
from tests.real_like import make_real_like, real_like_plugin

OTHER = {"trusting": "trusted", "trusted": "trusting"}
TRUST = {"externalId": "vendor-7"}
LONGEST = {"maxSessionDuration": 43200}  # an emulator grants any length, so nothing longer than AWS's limit is tried


@pytest.fixture
def party(tmp_path, accounts, make_project, emulator):
    """Return a function that makes the checkout of the party that administers one of the accounts."""
    with real_like_plugin(emulator) as plugin:

        def make(side):
            project = make_real_like(make_project(tmp_path / side, accounts), plugin, emulator)
            profiles = configparser.ConfigParser()
            profiles.read(project.path / "aws-config")
            profiles.remove_section(f"profile {OTHER[side]}")
            with (project.path / "aws-config").open("w") as file:
                profiles.write(file)
            return project

        yield make


def tools(project, *arguments, check=True):
    return project.python("-m", "tools", arguments[0], "--stack", project.stack, *arguments[1:], check=check)


def rows(project):
    report = json.loads(tools(project, "verify", "--json", "--delay", "0", "--timeout", "0", check=False).stdout)
    return report["verdict"], {row["id"]: row for row in report["rows"]}


def test_a_vendor_and_a_customer_with_one_account_each(party, aws_client, accounts):
    vendor, customer = party("trusted"), party("trusting")
    trusting = {"accountId": accounts.trusting, "manage": False}
    vendor.configure({"trusting": trusting, "trust": TRUST, "name": "acme", "role": LONGEST})
    vendor.up()
    verdict, found = rows(vendor)
    assert (verdict, found["assume-role"]["verdict"]) == ("could not tell", "could not tell")
    assert "make handover STACK=test" in found["assume-role"]["advice"]

    theirs = yaml.safe_load(tools(vendor, "handover").stdout)["config"]
    own = yaml.safe_load(customer.stack_file.read_text())  # with the key that protects the stack's secrets
    customer.stack_file.write_text(yaml.safe_dump(own | {"config": theirs}))
    sections = customer.config()
    customer.configure({"trusting": {**sections["assume-role:trusting"], "profile": "trusting"}})
    by_hand = {"RoleName": "acme", "AssumeRolePolicyDocument": json.dumps(trust())}
    aws_client(accounts.trusting, "iam").create_role(**by_hand)
    assert "Adopted 1 resources" in tools(customer, "adopt", "--yes").stdout
    customer.up()
    verdict, found = rows(customer)
    assert "assume-role" not in found  # nobody here has a key to try
    assert verdict == "proven"
    assert found["trust-policy"]["verdict"] == "proven"
    assert {row["observed"] for row in found.values() if row["id"].startswith("users-")} == {
        "the other party's account"
    }

    verdict, found = rows(vendor)
    assert verdict == "proven", [row for row in found.values() if row["verdict"] == "disproven"]
    assert found["assume-role"]["verdict"] == found["wrong-external-id"]["verdict"] == "proven"
    assert found["roles-policies"]["observed"] == "the other party's account"
    assert "what the other party allows the role" in found["other-permissions"]["observed"]

    for project in (vendor, customer):
        drawn = project.path / tools(project, "diagram").stdout.strip()
        assert "made by the other party" in drawn.read_text()
        tools(project, "preview", "--expect-no-changes")
    assert "The other party makes the user" in tools(customer, "profile", check=False).stderr
    assert "it rotates the key" in tools(customer, "rotate", "--yes", check=False).stderr


def test_what_differs_in_the_other_partys_role_is_not_for_this_stack_to_put_back(project, accounts, aws_client):
    trusting = {"accountId": accounts.trusting, "manage": False}
    project.configure({"trusting": trusting, "trust": TRUST | {"sessionTags": True}, "role": {"name": "theirs"}})
    project.up()
    anybody = policy(Principal={"AWS": accounts.trusted}, Action="sts:AssumeRole")
    by_hand = {"RoleName": "theirs", "AssumeRolePolicyDocument": json.dumps(anybody)}
    aws_client(accounts.trusting, "iam").create_role(**by_hand)
    verdict, found = rows(project)
    assert (verdict, found["wrong-external-id"]["verdict"]) == ("disproven", "disproven")
    assert found["session-tags"]["verdict"] == "could not tell"
    for name in ("wrong-external-id", "session-tags"):
        assert "make handover STACK=test" in found[name]["advice"]
        assert "make up" not in found[name]["advice"]


def test_each_party_revokes_its_own_half(tmp_path, accounts, make_project, aws_client):
    vendor, customer = (make_project(tmp_path / side, accounts) for side in ("trusted", "trusting"))
    for project, other in ((vendor, "trusting"), (customer, "trusted")):
        project.configure({other: {"accountId": getattr(accounts, other), "manage": False}})
        project.up()
    assert "make -s handover" in tools(customer, "up").stdout
    said = tools(customer, "revoke", "--yes").stdout
    assert "- The keys and sessions of the user: the other party revokes them." in said
    assert "FIRST" not in said
    assert "UNPROVEN a session of role Assume-Role-1 begun before is refused: no key is at hand" in said
    assert "delete-user-policy" not in said
    assert rows(vendor)[1]["assume-role"]["verdict"] == "proven"  # a new session: its key still works
    said = tools(vendor, "revoke", "--yes").stdout
    assert "- Sessions of role Assume-Role-1: the other party revokes them." in said
    keys = aws_client(accounts.trusted, "iam").list_access_keys(UserName="user-1")["AccessKeyMetadata"]
    assert [key["Status"] for key in keys] == ["Inactive"]
    for project in (vendor, customer):
        tools(project, "destroy")


def test_a_user_without_a_key_is_proven_but_for_what_needs_one(project):
    project.configure({"accessKeys": []})
    said = tools(project, "up").stdout
    assert "No access key is active" in said
    verdict, found = rows(project)
    assert (verdict, found["active-key"]["verdict"]) == ("proven", "not checked")
    assert found["users-keys"]["verdict"] == "proven"
    assert "none to rotate" in tools(project, "rotate", "--yes", check=False).stderr
    said = tools(project, "revoke", "--yes").stdout
    assert ("FIRST" in said, "make rotate" in said, "delete-user-policy" in said) == (False, False, True)


def test_a_change_can_be_put_back_while_no_key_is_declared(standing, aws_client, accounts):
    standing.configure({"accessKeys": []})
    aws_client(accounts.trusting, "iam").update_role(RoleName="Assume-Role-1", MaxSessionDuration=7200)
    _, found = rows(standing)
    assert "state" not in found
    assert "Put it back:\n  make up STACK=test ARGS=--refresh" in found["roles-limits"]["advice"]


def test_no_settings_are_handed_over_where_both_halves_are_made(project):
    done = tools(project, "handover", check=False)
    assert (done.returncode, "makes both halves" in done.stderr) == (2, True)


def test_what_cannot_be_handed_over_is_a_sentence(project, accounts):
    def refused():
        done = tools(project, "handover", check=False)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr

    project.configure({"trusting": {"manage": False}})
    assert "pulumi config set --path assume-role:trusting.accountId" in refused()
    project.configure({"trusting": {"accountId": accounts.trusting, "manage": False}})
    project.configure({"role": {"policy": {"file": {"Version": "2012-10-17"}}}})
    assert "policy" not in tools(project, "handover").stdout.partition("config:")[0]  # it is in the settings themselves
    project.pulumi("config", "set", "--secret", "--path", "assume-role:trust.externalId", "hush-hush")
    said = refused()
    assert "assume-role:trust is stored as a secret" in said
    assert "hush" not in said
