"""Single faults to put into right settings, each with the key that the refusal must name and what it must say."""

import copy
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.fuzz.policy_grammar import wrong_policies
from tests.fuzz.settings_grammar import LETTERS, NAME, PARTITIONS, arn, right_settings

# Nothing of AWS takes these: control, right-to-left and astral characters, what looks like a letter or a space.
STRANGE = ("\x00", "\n", "\x7f", "\u202e", "\U0001f600", "\u00a0", "\u0430", "\u0661")


def spoiled(alphabet: str, strange: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    """Make a text with one character that does not belong there."""
    part = st.text(alphabet, max_size=3)
    return st.builds("{}{}{}".format, part, st.sampled_from(STRANGE + strange), part)


class Wrong(NamedTuple):
    """One fault that can be put into right settings."""

    key: str  # where, as ``pulumi config set --path`` takes it
    values: Callable[[dict[str, Any]], st.SearchStrategy[Any]]  # what, by the settings that are right so far
    says: str  # what the refusal says: a regular expression
    named: str = ""  # the key that the refusal names, if that is another
    needs: tuple[str, ...] = ()  # sections that it speaks of: it is silent where one is wrong by itself


NEEDS_MFA = "this needs MFA"
NO_TEXTS = st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.lists(st.integers())
NO_OBJECTS = st.sampled_from(["x", "null", "2026-11-24", "[]x", ["x"], []])
NO_NUMBERS = st.booleans() | st.sampled_from(
    [3600.5, "1h", "0x1000", "1:00:00", "", "3_600", [3600], {}, "\uff13\uff16\uff10\uff10"]
)
NO_BOOLEANS = st.sampled_from(["perhaps", "", "2", 2, -1, 0.5, [], {}, "\U0001f600"])


def _same(values: st.SearchStrategy[Any]) -> Callable[[dict[str, Any]], st.SearchStrategy[Any]]:
    return lambda _: values


def _names(key: str, longest: int) -> list[Wrong]:
    return [
        Wrong(key, _same(spoiled(NAME, (" ", "/", ":", "*", "ä"))), "names are made of letters"),
        Wrong(key, _same(st.just("n" * (longest + 1)) | st.just("n" * 100_000)), f"at most {longest} characters"),
        Wrong(key, _same(st.just("")), "Choose such a name"),
    ]


def _other_accounts(side: str, resource: str) -> Callable[[dict[str, Any]], st.SearchStrategy[Any]]:
    def values(settings: dict[str, Any]) -> st.SearchStrategy[Any]:
        own = _id(settings, side)
        other = f"{(int(own) + 1) % 10**12:012}"
        ids = st.sampled_from([other, _id(settings, "trusted" if side == "trusting" else "trusting")])
        return ids.map(lambda account: arn(_partition(settings), account, resource))

    return values


def _other_partitions(side: str, resource: str) -> Callable[[dict[str, Any]], st.SearchStrategy[Any]]:
    def values(settings: dict[str, Any]) -> st.SearchStrategy[Any]:
        others = sorted({*PARTITIONS, "aws-iso"} - {_partition(settings)})
        return st.sampled_from(others).map(lambda partition: arn(partition, _id(settings, side), resource))

    return values


def _id(settings: dict[str, Any], side: str) -> str:
    return f"{settings[side]['accountId']:0>12}"


def _partition(settings: dict[str, Any]) -> str:
    region = settings["trusting"].get("region") or "us-east-1"
    return next(name for name, regions in PARTITIONS.items() if region in regions)


def _policy_name(settings: dict[str, Any]) -> str:
    policy = (settings.get("role") or {}).get("policy") or {}
    name = settings.get("name")
    return policy.get("name") or (f"{name}-permissions" if name else "Custom-Policy-For-Role-1")


TEXTS = [
    *(f"{side}.{key}" for side in ("trusting", "trusted") for key in ("profile", "region", "assumeRoleArn")),
    *(f"role.{key}" for key in ("name", "path", "description", "permissionsBoundary", "policy.name")),
    *(f"user.{key}" for key in ("name", "path", "permissionsBoundary", "policyName")),
    *("trust.externalId", "trust.organizationId", "trust.sourceIps[0]", "trust.principalArns[0]"),
]
SECTIONS = ("trusting", "trusted", "role", "user", "trust")
BY_ITSELF = [
    *(
        Wrong(
            f"{side}.accountId",
            _same(
                st.sampled_from(["", "1234", "1111-2222-3333", "111122223333 ", "\uff11" * 12, "11112222333x"])
                | st.sampled_from([12345678901, 1.2e11, True, [], {}, ["111122223333"], "1" * 100_000])
            ),
            "exactly 12 digits|without dashes",
        )
        for side in ("trusting", "trusted")
    ),
    *(Wrong(f"{side}.accountId", _same(st.none()), "this is required") for side in ("trusting", "trusted")),
    *(Wrong(key, _same(NO_TEXTS), "this must be a text") for key in TEXTS),
    *(wrong for key in ("name", "role.name", "user.name") for wrong in _names(key, 64)),
    *(wrong for key in ("role.policy.name", "user.policyName") for wrong in _names(key, 128)),
    *(Wrong(key, _same(NO_OBJECTS), "this must be an object with the keys") for key in (*SECTIONS, "role.policy")),
    *(
        Wrong(
            f"{side}.region",
            _same(st.sampled_from(["", "moon", "us-east", "us-east-1a", "US-EAST-1", "us-east-1\n", "us-east-\uff11"])),
            "not the name of an AWS region",
        )
        for side in ("trusting", "trusted")
    ),
    *(
        Wrong(
            f"{side}.profile",
            _same(st.sampled_from(["", " ", "a]b", "a\nb", "a\r", "\u00a0"])),
            "not the name of an AWS profile",
        )
        for side in ("trusting", "trusted")
    ),
    *(
        Wrong(
            key,
            _same(
                st.sampled_from(
                    ["", "Admin", "arn:aws:iam::111122223333:group/x", "arn:aws:sts::111122223333:assumed-role/x/y"]
                    + [f"arn:aws:iam::111122223333:{kind}/" for kind in ("role", "policy")]
                    + [f"arn:aws:iam:us-east-1:111122223333:{kind}/x" for kind in ("role", "policy")]
                    + [f"ARN:aws:iam::111122223333:{kind}/x" for kind in ("role", "policy")]
                    + [f"arn:aws:iam::111122223333:{kind}/*" for kind in ("role", "policy")]
                    + [f"arn:aws:iam::111122223333:{kind}/x\n" for kind in ("role", "policy")]
                )
            ),
            "not the ARN of an IAM",
        )
        for key in (
            "trusting.assumeRoleArn",
            "trusted.assumeRoleArn",
            "role.permissionsBoundary",
            "user.permissionsBoundary",
        )
    ),
    *(
        Wrong(f"{section}.path", _same(values), says)
        for section in ("role", "user")
        for values, says in (
            (st.sampled_from(["", "a", "/a", "a/", "//", "/a b/", "/ä/", "/a/\n"]), "an IAM path is / or begins"),
            (st.just(f"/{'p' * 511}/"), "at most 512 characters"),
            (st.sampled_from(["/aws-service-role/", "/AWS-Service-Role/x/"]), "AWS keeps the path"),
            (st.sampled_from(["/a*/", "/?/", "/${aws:username}/"]), "stand for other names"),
        )
    ),
    Wrong("role.description", _same(st.just("d" * 1001)), "at most 1000 characters"),
    Wrong("role.description", _same(spoiled("ab ", ("—",)).filter(lambda t: "\n" not in t)), "Latin-1 characters only"),
    Wrong(
        "role.maxSessionDuration",
        _same(NO_NUMBERS | st.integers(max_value=3599) | st.integers(min_value=43201) | st.just(10**400)),
        "whole number of seconds",
    ),
    Wrong(
        "trust.mfaMaxAge",
        _same(NO_NUMBERS | st.integers(max_value=0) | st.integers(min_value=129601)),
        "whole number of seconds",
    ),
    Wrong("trust.mfaMaxAge", _same(st.just(900)), NEEDS_MFA, needs=("trust",)),
    *(Wrong(key, _same(NO_BOOLEANS), "true or false") for key in ("trust.requireMfa", "user.forceDestroy")),
    Wrong("trust.externalId", _same(st.sampled_from(["", "x", "x" * 1225])), "2 to 1224 characters"),
    Wrong("trust.externalId", _same(spoiled(NAME, (" ", "%", "ä")).map("x{}".format)), "made of letters"),
    Wrong(
        "trust.organizationId",
        _same(st.sampled_from(["", "o-short", "o-A1B2C3D4E5", "r-a1b2c3d4e5", "o-" + "a" * 33, "o-a1b2c3d4e5\n"])),
        "an organization id is",
    ),
    Wrong(
        "trust.sourceIps[0]",
        _same(st.sampled_from(["", "home", "203.0.113.7/24", "1.2.3", "1.2.3.4/33", "1.2.3.4/-1", " 8.8.8.8"])),
        "not an address or a CIDR range",
    ),
    Wrong("trust.sourceIps[0]", _same(st.just("203.0.113.0/255.255.255.0")), "IAM takes no net masks"),
    Wrong(
        "trust.sourceIps[0]",
        _same(st.sampled_from(["2600::1%eth0", "203.0.113.0/024", "2600::/0_32"])),
        "not an address or a CIDR range",
    ),
    Wrong(
        "trust.sourceIps[0]",
        _same(st.sampled_from(["10.0.0.0/8", "192.168.1.7", "172.31.0.0/16", "127.0.0.1", "::1", "fe80::1"])),
        "the public address of a caller",
    ),
    *(
        Wrong(key, _same(st.sampled_from(["x", {"0": "x"}])), "this must be a list")
        for key in ("trust.sourceIps", "trust.principalArns", "accessKeys")
    ),
    Wrong("trust.principalArns[0]", _same(st.sampled_from(["", "*", "user-1"])), "not the ARN of an IAM user or role"),
    Wrong("accessKeys", _same(st.just([])), "one access key or 2"),
    Wrong("accessKeys", _same(st.just([{"label": label} for label in "123"])), "one access key or 2"),
    Wrong("accessKeys", _same(st.just([{"label": "1"}, {"label": 1}])), "a label of its own"),
    Wrong("accessKeys[0]", _same(st.sampled_from(["x", 5, ["label"]])), "this must be an object with the keys"),
    Wrong("accessKeys[0].label", _same(spoiled(LETTERS, (" ", ".", "/"))), "a label is"),
    Wrong("accessKeys[0].label", _same(st.sampled_from(["", "l" * 65, True, 1.5, [], {}, -1.0])), "a label is"),
    Wrong("accessKeys[0].status", _same(st.sampled_from(["", "active", "Expired", True, 1, []])), "'Active' or"),
    *(
        Wrong(
            place,
            _same(st.sampled_from(["x", 5, True, {"x": "y"}, ["x"]])),
            r"there is no such setting\. (Did you mean \w+\?|Remove it\.) Known here: ",
        )
        for place in (
            *("zzz", "rolle", "trusting.account_id", "trusting.externalId", "trusted.path", "role.policyName"),
            *("role.policy.document", "role.policy.Version", "trust.accountId", "user.maxSessionDuration"),
            *("accessKeys[0].name", "pgpKey", "Endpoint", 'role["a.b"]', 'trust["[0]"]', 'user["aws:x"]'),
        )
    ),
    Wrong("tags", _same(st.sampled_from(["x", "null", ["a"], []])), "an object of names and values"),
    Wrong("tags", _same(st.just({str(n): "" for n in range(50)})), "at most 50 tags"),
    *(
        Wrong(f'tags["{name}"]', _same(st.just("x")), "says which stack owns a resource")
        for name in ("assume-role:owner", "ASSUME-ROLE:owner")
    ),
    Wrong("tags", _same(st.just({"Team": "a", "team": "b"})), "upper and lower case"),
    *(Wrong(f"tags.{name}", _same(NO_TEXTS | st.none()), "this must be a text") for name in ("wrong1", "wrong2")),
    Wrong(
        "tags.wrong3",
        _same(st.sampled_from(["a,b", "<", "&", "*", "\x00", "a\n", "\u202e", "\U0001f600"])),
        "tags take letters",
    ),
    Wrong("tags.wrong4", _same(st.just("v" * 257)), "at most 256 characters"),
    *(Wrong(f'tags["{name}"]', _same(st.just("x")), "tags take letters") for name in ("a;b", "a,b", "<")),
    *(
        Wrong(f'tags["{name}"]', _same(st.just("x")), "a tag name has 1 to 128 characters")
        for name in ("aws:x", "AWS:y", "", "k" * 128 + ".")
    ),
    Wrong("role.managedPolicies", _same(st.sampled_from(["x", ["arn"], []])), "an object of names and values"),
    *(
        Wrong(f"role.managedPolicies.wrong{number}", _same(st.sampled_from(["", "x"])), "not the ARN of an IAM managed")
        for number in range(2)
    ),
    Wrong('role.managedPolicies["a b"]', _same(st.just("arn:aws:iam::aws:policy/x")), "a label is"),
    *(
        Wrong("endpoint", _same(values), says)
        for values, says in (
            (st.sampled_from(["http://192.0.2.1:80", "http://localhost.example.com:1"]), "not a loopback address"),
            (st.sampled_from(["http://127.0.0.1:1\t", "http://127.0.0.1\\:1", " http://127.0.0.1:1"]), "without '"),
            (st.sampled_from(["x", "true", "4599", "http://127.0.0.1", "http://127.0.0.1:0", "//[::1]:1"]), "a port"),
            (st.sampled_from([f"http://127.0.0.1:4599{end}" for end in ("?", "#", "/x", "?a", "/?", "/#")]), "a port"),
            (st.sampled_from(["http://127.0.0.1:x", "http://[::1", "http://127.0.0.1:65536"]), "this is not a URL"),
        )
    ),
    Wrong("role.policy.file", _same(st.sampled_from([5, True, False, 0, ["x"], [], 0.0])), "not the name of a file"),
    Wrong(
        "role.policy.file",
        _same(wrong_policies().map(lambda pair: pair[0]).filter(lambda policy: isinstance(policy, dict))),
        "policy",
    ),
    *(
        Wrong(
            key, _same(st.sampled_from(["none.json", "a\x00b", "n" * 300, "n/" * 4000, "policies", "\U0001f600"])), says
        )
        for key, says in (("role.policy.file", "policy file cannot be read"), ("pgpKeyFile", "key file cannot be read"))
    ),
    Wrong("pgpKeyFile", _same(st.just("policies/s3-full-access.json")), "not a PGP public key"),
    Wrong("pgpKeyFile", _same(st.sampled_from([["x"], [], {"a": 1}])), "not the name of a file"),
    Wrong("secretStore", _same(NO_OBJECTS), "an object with the keys"),
    Wrong("secretStore.kind", _same(st.sampled_from(["", "SSM", "vault", 5, True, []])), "'secretsmanager' or 'ssm'"),
    Wrong("secretStore.kmsKeyId", _same(st.sampled_from(["", "mine", "alias/", "alias/ä"])), "not a KMS key"),
    Wrong("secretStore.name", _same(spoiled(LETTERS, (" ", "*"))), "is made of letters"),
]
OWN_ARNS = (
    ("trusting", "trusting.assumeRoleArn", "role/x", ("trusting",)),
    ("trusted", "trusted.assumeRoleArn", "role/x", ("trusted",)),
    ("trusting", "role.permissionsBoundary", "policy/x", ("trusting", "trusted", "role")),
    ("trusted", "user.permissionsBoundary", "policy/x", ("trusting", "trusted", "user")),
    ("trusting", "role.managedPolicies.foreign", "policy/x", ("trusting", "trusted", "role")),
    ("trusted", "trust.principalArns[0]", "user/x", ("trusting", "trusted", "trust")),
)
BETWEEN = [
    Wrong(
        "trusted.accountId",
        lambda settings: st.just(_id(settings, "trusting")),
        "this is the trusting account too",
        needs=("trusting", "trusted", "user", "trust"),
    ),
    Wrong(
        "trusted.region",
        lambda settings: st.sampled_from(
            [regions[0] for name, regions in PARTITIONS.items() if name != _partition(settings)]
        ),
        "in another partition than trusting.region",
        needs=("trusting", "trusted", "user", "trust"),
    ),
    *(
        Wrong(key, _other_accounts(side, name), "this must be in the", needs=needs)
        for side, key, name, needs in OWN_ARNS
    ),
    *(
        Wrong(key, _other_partitions(side, name), "in the partition", needs=needs)
        for side, key, name, needs in OWN_ARNS
    ),
    Wrong(
        "trust.principalArns",
        lambda settings: st.just([arn(_partition(settings), _id(settings, "trusted"), "role/Nobody")]),
        "leaves out the stack's own user",
        needs=("trusted", "trust", "user", "name"),
    ),
    Wrong(
        "trust.sourceIps",
        _same(st.just([f"203.0.{number}.0/24" for number in range(256)] * 2)),
        "at most 8,192",
        named="trust",
        needs=("trusted", "trust"),
    ),
    Wrong(
        "role.managedPolicies.twice",
        lambda settings: st.just(
            arn(
                _partition(settings),
                _id(settings, "trusting"),
                f"policy/{_policy_name(settings)}",
            )
        ),
        "a policy is attached once",
        needs=("trusting", "role", "name"),
    ),
]
CATALOGUE = BY_ITSELF + BETWEEN


def place(key: str) -> list[str | int]:
    """Return a key as ``pulumi config set --path`` takes it, in parts."""
    parts = re.findall(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)', key)
    return [int(index) if index else quoted or plain for quoted, index, plain in parts]


def put(settings: dict[str, Any], wrong: Wrong, value: object) -> None:
    """Put a fault into settings, and make room for it, so that it is the only one."""
    parts = place(wrong.key)
    if parts[0] == "accessKeys" and len(parts) > 2:
        settings.setdefault("accessKeys", [{"label": "1"}])
    if parts[0] == "secretStore":
        settings.pop("pgpKeyFile", None)
        settings.setdefault("secretStore", {"kind": "ssm", "name": "user-1"})
    if parts[0] == "pgpKeyFile":
        settings.pop("secretStore", None)
    if wrong in BETWEEN and parts[0] == "trusted" and parts[1] != "assumeRoleArn":
        settings["trusted"].pop("assumeRoleArn", None)
    if parts[:2] == ["trust", "principalArns"] and len(parts) > 2 and not (settings.get("trust") or {}).get(parts[1]):
        own = arn(_partition(settings), _id(settings, "trusted"), "user/*")
        settings["trust"] = {**(settings.get("trust") or {}), "principalArns": [own]}
    if wrong.says == NEEDS_MFA:
        settings["trust"] = {**(settings.get("trust") or {}), "requireMfa": False}
    _set(settings, parts, value)


def _set(section: Any, parts: list[str | int], value: object) -> None:
    part, *further = parts
    if not further and isinstance(part, int):
        section.insert(part, value)
    elif not further:
        section[part] = value
    else:
        if isinstance(part, str) and not section.get(part):
            section[part] = [] if isinstance(further[0], int) else {}
        _set(section[part], further, value)


def disturb(one: Wrong, other: Wrong) -> bool:
    """Return whether two faults cannot be told apart in one stack: one lies in the other, or is silent beside it."""
    first, second = place(one.key), place(other.key)
    inside = all(a == b for a, b in zip(first, second, strict=False))
    beside = {str(first[0]), str(second[0])} == {"pgpKeyFile", "secretStore"}
    return inside or beside or first[0] in other.needs or second[0] in one.needs


class Made(NamedTuple):
    """Settings, and the faults in them with the values that they have."""

    settings: dict[str, Any]
    faults: list[tuple[Wrong, Any]]


@st.composite
def made_settings(draw: st.DrawFn) -> Made:
    """Make settings that are right half of the time, and otherwise have one to four faults."""
    settings = copy.deepcopy(draw(right_settings()))
    chosen: list[Wrong] = []
    if draw(st.sampled_from([False, True, True])):  # those without a fault come more often than that
        for wrong in draw(st.lists(st.sampled_from(CATALOGUE), min_size=1, max_size=4)):
            if not any(disturb(wrong, other) for other in chosen):
                chosen.append(wrong)
    values = [(wrong, draw(wrong.values(settings))) for wrong in chosen]
    for wrong, value in sorted(values, key=lambda pair: pair[0].key, reverse=True):
        put(settings, wrong, copy.deepcopy(value))
    return Made(settings, values)
