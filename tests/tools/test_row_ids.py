"""The ids of the rows that `verify --json` prints: scripts know the rows by them, so no new wording changes one."""

import json

IDS = [
    "key-1",
    "trust-policy",
    "roles-policies",
    "roles-limits",
    "users-policies",
    "users-limits",
    "users-keys",
    "users-password",
    "users-other-credentials",
    "owner",
    "tags",
    "assume-role",
    "session",
    "session-length",
    "allowed:s3:ListAllMyBuckets",
    "not-allowed",
    "key-alone:iam:ListUsers",
    "key-alone:s3:ListAllMyBuckets",
    "another-account",
    "another-user",
    "another-role",
    "age-of-key-1",
]


def test_the_ids_of_a_default_stacks_rows(deployed):
    report = json.loads(deployed.python("-m", "tools", "verify", "--stack", "test", "--json").stdout)
    assert [row["id"] for row in report["rows"]] == IDS
