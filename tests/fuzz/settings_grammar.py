"""Settings that are right, with all that AWS takes: limits, partitions, nulls, numbers as texts and the reverse."""

from typing import Any

from hypothesis import strategies as st

from tests.fuzz.policy_grammar import right_policies

PGP_KEY_FILE = "the file of a PGP key that will do"
PARTITIONS = {
    "aws": ("us-east-1", "eu-west-1", "ap-southeast-10"),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
    "aws-us-gov": ("us-gov-west-1",),
}
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
NAME = LETTERS + "_+=,.@-"


def text(alphabet: str, longest: int, least: int = 1) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=min(longest, 20)) | st.sampled_from(
        [alphabet[0] * longest, alphabet[-1] * least or alphabet[0]]
    )


def sections(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Make a section with some of its keys; null is as good as absent."""
    return st.fixed_dictionaries({}, optional={key: st.none() | value | value for key, value in keys.items()})


ACCOUNT_IDS = st.integers(0, 10**12 - 1).map("{:012}".format)
BOOLEANS = st.booleans() | st.sampled_from(["true", "True", "yes", "on", "1", 1, "false", "no", "off", "0", 0])
PATHS = st.sampled_from(["/", "/a/", "/a//b.c!/", f"/{'p' * 510}/"])
LABELS = text(LETTERS + "_-", 64)
PROFILES = st.sampled_from(["admin", "Some One", "a.b/c@d", "профиль"])
ORGANIZATIONS = st.sampled_from(["o-a1b2c3d4e5", "o-" + "z" * 32])
ADDRESSES = st.sampled_from(["203.0.113.0/24", "203.0.113.7", "2001:db8::/32", "2600::1", "0.0.0.0/0", "8.8.8.8/32"])
TAG = "aZ09 _.:/=+-@½Ж中"
TAGS = st.dictionaries(
    text(TAG, 128).filter(lambda name: not name.casefold().startswith("aws:")), text(TAG, 256, 0), max_size=4
).filter(lambda tags: len({name.casefold() for name in tags}) == len(tags))
ENDPOINTS = st.sampled_from(
    ["http://127.0.0.1:4599", "http://localhost:80/", "https://[::1]:65535", "HTTP://127.9.9.9:1"]
)
KMS_KEYS = st.sampled_from(["alias/mine", "1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-" + "0a" * 16])
STORES = st.one_of(
    st.fixed_dictionaries({"kind": st.just("secretsmanager"), "name": text(LETTERS + "/_+=.@-", 512)}),
    st.fixed_dictionaries(
        {"kind": st.just("ssm"), "name": st.sampled_from(["user-1", "/team/user-1", "/a" * 15, "x" * 900])}
    ),
).flatmap(lambda store: sections(kmsKeyId=KMS_KEYS).map(lambda more: {**store, **more}))


def arn(partition: str, account: str, resource: str) -> str:
    return f"arn:{partition}:iam::{account}:{resource}"


@st.composite
def right_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Make settings that AWS takes: by key without namespace, as the stack's file has them."""
    partition = draw(st.sampled_from(list(PARTITIONS)))
    trusting, trusted = draw(st.lists(ACCOUNT_IDS, min_size=2, max_size=2, unique=True))
    settings: dict[str, Any] = {
        "trusting": _account(draw, partition, trusting),
        "trusted": _account(draw, partition, trusted),
    }
    aws_own = arn(partition, "aws", "policy/job-function/ViewOnlyAccess")
    boundaries = {
        side: st.sampled_from([aws_own, arn(partition, account, "policy/a/Boundary")])
        for side, account in (("trusting", trusting), ("trusted", trusted))
    }
    user = draw(
        sections(
            name=text(NAME, 64),
            path=PATHS,
            permissionsBoundary=boundaries["trusted"],
            policyName=text(NAME, 128),
            forceDestroy=BOOLEANS,
        )
    )
    name = draw(st.none() | text(NAME, 64))
    own_user = f"user{user.get('path') or '/'}{user.get('name') or name or 'user-1'}"
    trust = draw(
        sections(
            externalId=text(LETTERS + "_+=,.@:/-", 1224, 2),
            organizationId=ORGANIZATIONS,
            sourceIps=st.lists(ADDRESSES, max_size=3),
            principalArns=st.lists(
                st.sampled_from(["user/*", "role/Ops", "role/a/*", "user/b?b"]).map(
                    lambda resource: arn(partition, trusted, resource)
                ),
                max_size=2,
            ).map(lambda others: [arn(partition, trusted, own_user), *others]),
        )
    )
    if draw(st.booleans()):
        trust |= {"requireMfa": draw(st.sampled_from([True, "true", "yes", 1]))}
        trust |= draw(sections(mfaMaxAge=st.integers(1, 129600) | st.sampled_from(["900", 129600, 1])))
    managed = {"a": aws_own, "1": arn(partition, trusting, "policy/x/Further")}
    further = {
        "user": user,
        "trust": trust,
        "role": draw(
            sections(
                name=text(NAME, 64),
                path=PATHS,
                description=text("aZ ~¡ÿ\t\n", 1000, 0),
                maxSessionDuration=st.integers(3600, 43200) | st.sampled_from(["3600", 43200]),
                permissionsBoundary=boundaries["trusting"],
                policy=sections(name=text(NAME, 128), file=st.just("policies/s3-full-access.json") | right_policies()),
                managedPolicies=st.sets(st.sampled_from(list(managed))).map(
                    lambda labels: {label: managed[label] for label in labels}
                ),
            )
        ),
        "name": name,
        "accessKeys": draw(
            st.lists(
                st.builds(
                    lambda label, more: {"label": label, **more},
                    LABELS | st.integers(0, 99),
                    sections(status=st.sampled_from(["Active", "Inactive"])),
                ),
                min_size=1,
                max_size=2,
                unique_by=lambda key: str(key["label"]),
            )
        ),
        **draw(
            st.sampled_from([{}, {"pgpKeyFile": PGP_KEY_FILE}])
            | st.builds(lambda store: {"secretStore": store}, STORES)
        ),
        "tags": draw(TAGS),
        "endpoint": draw(st.just("") | ENDPOINTS),
    }
    keep = draw(st.sets(st.sampled_from(sorted(further))))
    kept = {key: value for key, value in further.items() if key in keep}
    if "user" in further and "user" not in keep and "trust" in kept and kept["trust"].get("principalArns"):
        kept["user"] = user
    if "name" not in keep and "trust" in kept and kept["trust"].get("principalArns"):
        kept["name"] = name
    return settings | {key: value for key, value in kept.items() if value is not None}


def _account(draw: st.DrawFn, partition: str, account: str) -> dict[str, Any]:
    account_id: str | int = int(account) if account[0] != "0" and draw(st.booleans()) else account
    section = {"accountId": account_id}
    if partition != "aws":
        section["region"] = draw(st.sampled_from(PARTITIONS[partition]))
    else:
        section |= draw(sections(region=st.sampled_from(PARTITIONS[partition])))
    return section | draw(
        sections(profile=PROFILES, assumeRoleArn=st.just(arn(partition, account, "role/deploy/Deploy")))
    )
