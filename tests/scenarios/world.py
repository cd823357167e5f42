"""The world of one scenario: a project, its two accounts, unmanaged resources in them, and commands on the project."""

from __future__ import annotations

import contextlib
import io
import json
import os
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

from tests.faults.aftermath import SIDES, holding, known, resources, there
from tests.faults.operations import CHANGED_POLICY, Done, run
from tests.proxy import ANY_CALL, Fault
from tests.scenarios.other_stack import beside, collides
from tools.__main__ import main
from tools.environment import Accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.conftest import Project
    from tests.proxy import Proxy

UNMANAGED = "Unmanaged"
REFUSAL_OF_SESSIONS = "AWSRevokeOlderSessions"  # what revoking leaves on purpose
ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
ANYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


class BrokenError(AssertionError):
    """Something that always holds does not."""


@dataclass
class World:
    """All there is, and what a person knows of it."""

    project: Project
    proxy: Proxy
    client: Callable[..., Any]
    clients: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)  # what each account holds
    before: str = ""  # what AWS reported of the unmanaged resources
    unmanaged_keys: set[str] = field(default_factory=set)  # ids of their keys
    left: set[str] = field(default_factory=set)  # what a failed command left, and no command took over yet
    touched: bool = False  # something else was done since
    obliged: int = 0  # how often a deployment had to succeed
    promise: bool = False  # the last deployment succeeded, and nothing was changed since

    def __post_init__(self) -> None:
        self.other = beside(self.project)
        (self.project.path / "policies/changed.json").write_text(json.dumps(CHANGED_POLICY))
        for side in ("trusting", "trusted", "other"):
            self._settle(self.iam(side))
        self.before = self.unmanaged()

    def iam(self, side: str) -> Any:
        """Return a client of an account's administrator, past the proxy; each is made once, for that takes long."""
        if side not in self.clients:
            self.clients[side] = self.client(getattr(self.project.accounts, side), "iam")
        return self.clients[side]

    def _settle(self, iam: Any) -> None:
        """Create an unmanaged user, role and policy that trust and allow much."""
        trust = json.dumps({"Version": "2012-10-17", "Statement": ANYBODY})
        iam.create_user(UserName=f"{UNMANAGED}-User")
        self.unmanaged_keys.add(iam.create_access_key(UserName=f"{UNMANAGED}-User")["AccessKey"]["AccessKeyId"])
        iam.create_role(RoleName=f"{UNMANAGED}-Role", AssumeRolePolicyDocument=trust)
        arn = iam.create_policy(PolicyName=f"{UNMANAGED}-Policy", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
        iam.attach_user_policy(UserName=f"{UNMANAGED}-User", PolicyArn=arn)
        iam.put_role_policy(RoleName=f"{UNMANAGED}-Role", PolicyName=f"{UNMANAGED}-Inline", PolicyDocument=ALLOW_ALL)

    def unmanaged(self) -> str:
        """Return all that AWS reports of the unmanaged resources."""
        return self._described(("trusting", "trusted", "other"), lambda name: name.startswith(UNMANAGED))

    def holdings(self, project: Project) -> str:
        """Return all that AWS reports of the resources in a stack's state: roles, users, policies and keys."""
        names = {each["inputs"].get("name") for each in resources(project)}
        return self._described(SIDES, names.__contains__)

    def _described(self, sides: Iterable[str], is_meant: Callable[[str], bool]) -> str:
        found: list[Any] = []
        for side in sides:
            for kind, entries in self.held(side).items():
                found += [each for each in entries if is_meant(each["UserName" if kind == "Key" else f"{kind}Name"])]
        count = ("AttachmentCount", "RoleLastUsed")
        return json.dumps([{k: v for k, v in each.items() if k not in count} for each in found], default=str)

    # What there is

    def held(self, side: str) -> dict[str, list[dict[str, Any]]]:
        """Return what an account holds, as AWS describes it, as it was after the last step."""
        if side not in self.seen:
            self.seen[side] = holding(self.iam(side))
        return self.seen[side]

    def there(self, side: str) -> list[str]:
        """Return the same in words."""
        return list(there(self.held(side)))

    def in_aws(self) -> set[str]:
        """Return what both accounts hold, without unmanaged resources, the second stack and the status of keys."""
        return {
            f"{side}: {_without_status(each)}"
            for side in SIDES
            for each in self.there(side)
            if not self._is_unmanaged(each) and REFUSAL_OF_SESSIONS not in each
        } - self._in_state(self.other)

    def _is_unmanaged(self, line: str) -> bool:
        words = line.split()
        return UNMANAGED in words[-1] or (words[0] == "key" and words[1] in self.unmanaged_keys)

    def in_state(self) -> set[str]:
        return self._in_state(self.project)

    def _in_state(self, project: Project) -> set[str]:
        return {f"{side}: {_without_status(each)}" for side in SIDES for each in known(project, side)}

    def named(self, kind: str) -> dict[str, Any] | None:
        """Return the first resource of a type in the state, as ``User``."""
        return next((each for each in resources(self.project) if each["type"].endswith(f":{kind}")), None)

    def user_keys(self) -> dict[str, str]:
        """Return the keys that the stack's user has in AWS: the status of each, by its id."""
        lines = [line.split() for line in self.there("trusted") if line.startswith("key ")]
        keys = {key: status.strip("()") for _, key, status in lines if key not in self.unmanaged_keys}
        return keys if self.named("User") else {}

    def outputs(self) -> dict[str, Any]:
        """Return the outputs as the state has them, secrets as ciphertext; none where nothing stands."""
        latest = json.loads(self.project.state())["checkpoint"]["latest"] or {}
        return next((each.get("outputs") or {} for each in latest.get("resources") or []), {})

    def declared(self) -> dict[str, str]:
        keys = self.project.config().get("assume-role:accessKeys") or [{"label": "1", "status": "Active"}]
        return {key["label"]: key.get("status") or "Active" for key in keys}

    def refused_sessions(self) -> bool:
        """Return whether revoking left its policy on the user, which nobody deletes then but a person."""
        return any(REFUSAL_OF_SESSIONS in each for each in self.there("trusted"))

    # What is done

    def command(self, *words: str) -> Done:
        """Run a command, tools in this process; whatever it leaves beside the state is noted."""
        before, others = self.in_aws() - self.in_state(), self.holdings(self.other)
        done = self._tool(words) if words[:3] == ("python", "-m", "tools") else run(self.project, *words)
        self.proxy.planned.pop(ANY_CALL, None)
        self.seen.clear()
        if self.holdings(self.other) != others:
            raise BrokenError(f"{' '.join(words)} changed what the second stack has, from {others}")
        left = self.in_aws() - self.in_state()
        self.touched = self.touched or bool(self.left)
        self.left = (self.left & left) | (left - before)
        if not self.left:
            self.touched = False
        return done

    def _tool(self, words: tuple[str, ...]) -> Done:
        said = io.StringIO()
        with (
            mock.patch.dict(os.environ, self.project.environment, clear=True),
            mock.patch("tools.environment.enter", return_value=Accounts(emulated=True)),  # its stack is prepared
            mock.patch("sys.stdin", io.StringIO()),
            contextlib.chdir(self.project.path),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            try:
                status = main(words[3:])
            except Exception:  # noqa: BLE001 - a user would see it
                status = 1
                traceback.print_exc(file=said)
        return Done(words, status, said.getvalue())

    def plan(self, fault: str, number: int) -> None:
        """Plan a fault for a call of the next command, whatever it is."""
        self.proxy.plan(ANY_CALL, *[Fault.NONE] * (number - 1), Fault(fault))

    def touch(self) -> None:
        """Note that something was changed, in the settings or in AWS."""
        self.promise = False
        self.seen.clear()
        self.touched = bool(self.left)

    # What may be expected

    def is_plain(self) -> bool:
        """Return whether a deployment has to succeed: nothing is in its way that only a person may judge."""
        by_hand = self.in_aws() - self.in_state() - self.left
        declared, keys = self.declared(), self.user_keys()
        in_state = {each["urn"].rpartition("-")[2] for each in resources(self.project) if each["id"] in keys}
        return (
            not by_hand
            and not (collides(self.other) and resources(self.other))
            and not (self.left and self.touched)
            and not self.refused_sessions()
            and len(keys) + len(declared.keys() - in_state) <= 2
            and "Active" in declared.values()
        )


def _without_status(line: str) -> str:
    return line.partition(" (")[0]
