"""How to move from access keys made by hand to the stack's, without a gap: in words, for a person to do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iam.limits import MAX_ACCESS_KEYS
from tools.keys import AccessKey


def key_advice(
    stack: str, user_name: str, keys: Sequence[AccessKey], new: int, config: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the lines that say how.

    Args:
        stack: name of the stack.
        user_name: whose keys they are.
        keys: those that the user has and the stack does not.
        new: how many the next ``pulumi up`` makes.
        config: the stack's configuration.
    """
    if not keys:
        return
    yield f"Keys of {user_name} made by hand: {', '.join(f'{key.id} ({key.actual})' for key in keys)}."
    yield "AWS tells a key's secret only once, so no tool can adopt one: it goes on working until you remove it."
    yield "To move to the stack's key without a gap:"
    surplus = max(len(keys) + new - MAX_ACCESS_KEYS, 0)
    spare = sorted(keys, key=lambda key: key.actual == "Active")[:surplus]  # inactive ones first
    aws = _aws(config)
    steps = [
        *(step for key in spare for step in [_room(key, aws), *_removal(key, user_name, aws)]),
        *([f"pulumi up --stack {stack} makes the stack's key beside what is left; all of them work."] if new else []),
        f"python -m tools verify --stack {stack} proves it. It names the keys made by hand as long as they are there.",
        f"Hand it to whoever uses an old one: pulumi stack output awsConfig --show-secrets --stack {stack}",
        *(step for key in keys if key not in spare for step in _removal(key, user_name, aws)),
    ]
    yield from (f"  {number}. {step}" for number, step in enumerate(steps, start=1))


def _aws(config: Mapping[str, Any]) -> str:
    """Return the AWS CLI, as the administrator of the trusted account calls it."""
    account: Mapping[str, Any] = config.get("trusted") or {}
    options = {"--profile": account.get("profile"), "--endpoint-url": config.get("endpoint")}
    return " ".join(["aws iam", *(f"{option} {value}" for option, value in options.items() if value)])


def _room(key: AccessKey, aws: str) -> str:
    """Return the step that looks whether a key may go, before there is one in its place."""
    return (
        f"A user has at most {MAX_ACCESS_KEYS} keys, so {key.id}, or the other one if nobody uses that, must go first. "
        f"See who uses it: {aws} get-access-key-last-used --access-key-id {key.id}"
    )


def _removal(key: AccessKey, user_name: str, aws: str) -> Iterator[str]:
    """Yield the steps that remove a key and can be taken back until the last of them."""
    yield (
        f"Make {key.id} inactive: {aws} update-access-key --user-name {user_name} --access-key-id {key.id} "
        "--status Inactive (with --status Active it works again at once)."
    )
    yield (
        "Wait a day or more, to be sure that nobody misses it, then delete it: "
        f"{aws} delete-access-key --user-name {user_name} --access-key-id {key.id}"
    )
