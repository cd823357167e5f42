"""`python -m tools handover --stack NAME`: print the other party's stack file, where it makes one of the halves."""

import argparse
from collections.abc import Mapping
from typing import Any

import yaml

from components.iam import NAMESPACE, SIDES, Side
from tools.cli import read_json
from tools.console import Exit, ToolError, say
from tools.stack import managed_sides, read_config, section

ROLE_FOR_ITS_USER = ("name", "path", "maxSessionDuration")  # what the user's half needs to know of the role


def run(options: argparse.Namespace) -> Exit:
    """Print the file. It goes to the other party, so it holds no profile, key or tag of this one."""
    config = read_config(options.stack)
    hidden = [key for key, entry in read_json(options.stack, "config", "--json").items() if entry["secret"]]
    if own := [key for key in hidden if key.startswith(f"{NAMESPACE}:")]:
        raise ToolError(f"{', '.join(own)} is stored as a secret, and this prints it. Set it again without --secret.")
    side: Side | None = next((each for each in SIDES if each not in managed_sides(config)), None)
    if side is None:
        raise ToolError(
            f"Stack {options.stack} makes both halves, so there is no other party. If there is one, first leave its "
            f"half out, as in: pulumi config set --path {NAMESPACE}:trusting.manage false --stack {options.stack}"
        )
    account_id = section(config, side).get("accountId")
    if not account_id:
        raise ToolError(
            f"{side}.accountId is required. Set it with: pulumi config set --path {NAMESPACE}:{side}.accountId "
            f"111122223333 --stack {options.stack}"
        )
    file = f"Pulumi.{options.stack.rpartition('/')[2]}.yaml"
    say(f"# {file} for the administrator of the {side} account {account_id}.")
    say(f"# Set {NAMESPACE}:{side}.profile in it, then deploy: make up STACK={options.stack}")
    policy = section(section(config, "role"), "policy").get("file")
    if isinstance(policy, str) and policy and side == "trusting":
        say(f"# Send {policy}, too: it is the role's policy.")
    settings = {f"{NAMESPACE}:{key}": value for key, value in mirrored(config, side).items() if value}
    say(yaml.safe_dump({"config": settings}, sort_keys=False, allow_unicode=True).rstrip())
    return Exit.DONE


def mirrored(config: Mapping[str, Any], side: Side) -> dict[str, Any]:
    """Return the settings with which the other party makes its half so that both halves fit.

    Args:
        config: this stack's configuration, as ``read_config`` returns it.
        side: the half that the other party makes.
    """
    accounts = {
        each: {key: value for key, value in section(config, each).items() if key in ("accountId", "region")}
        for each in SIDES
    }
    accounts["trusted" if side == "trusting" else "trusting"]["manage"] = False
    role = section(config, "role")
    own = {"role": role} if side == "trusting" else {"user": section(config, "user")}
    shared = {"role": {key: role[key] for key in ROLE_FOR_ITS_USER if key in role}}
    kept = {key: config.get(key) for key in ("name", "trust", "endpoint")}
    return kept | accounts | shared | own
