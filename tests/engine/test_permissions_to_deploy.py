"""With exactly the permissions of policies/deploy-*.json, everything works; nothing else was ever called."""

import json
from pathlib import Path

import pytest
from botocore.credentials import Credentials

from components.iam.permissions import possibly_allowed
from tests.proxy import proxy_before

POLICIES = Path(__file__).resolve().parents[2] / "policies"
SIDES = ("trusting", "trusted")


@pytest.fixture
def deployers(accounts, aws_client):
    """Make a user with exactly one of the two policies in each account; return who signs for each account's root."""
    signers = {}
    for side in SIDES:
        account = getattr(accounts, side)
        iam = aws_client(account, "iam")
        iam.create_user(UserName="deployer")
        document = (POLICIES / f"deploy-{side}.json").read_text()
        iam.put_user_policy(UserName="deployer", PolicyName="deploy", PolicyDocument=document)
        key = iam.create_access_key(UserName="deployer")["AccessKey"]
        signers[account] = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    return signers


def test_with_exactly_these_permissions_everything_works(project, deployers):
    with proxy_before(project.endpoint) as proxy:
        proxy.signers = deployers
        project.configure({"endpoint": proxy.url, "tags": {"team": "a"}})
        project.up()
        project.configure(
            {
                "tags": {"team": "b"},
                "trust": {"externalId": "relationship-7"},
                "role": {"maxSessionDuration": 7200, "description": "Changed.", "policy": {"name": "Another"}},
            }
        )
        project.up("--refresh")
        project.python("-m", "tools", "verify", "--stack", "test")
        project.destroy()
    called = {
        side: {
            call.action
            for call in proxy.calls
            if call.service == "iam" and call.key_id == getattr(project.accounts, side)
        }
        for side in SIDES
    }
    for side, actions in called.items():
        document = json.loads((POLICIES / f"deploy-{side}.json").read_text())
        assert actions
        assert [action for action in sorted(actions) if not possibly_allowed(document, f"iam:{action}")] == []
