"""AWS's limits on single settings. Each function returns the value, or raises ``ValueError`` with the rule and the fix.

AWS reports most errors one at a time, while it creates things. Here all are known before.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from functools import partial

from .iam import limits
from .iam.arns import ARN
from .iam.endpoints import endpoint_error
from .iam.owner import OWNER_TAG
from .validation import whole

# Addresses that no call to AWS comes from: private, shared, loopback, link-local, unique local.
INSIDE = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("::1/128", "fe80::/10", "fc00::/7"),
)


def account_id(value: object) -> str:
    """Return a 12-digit account id; a number is accepted when nothing can have been lost from it."""
    text = str(value)
    if isinstance(value, str | int) and re.fullmatch(r"[0-9]{12}", text):
        return text
    if isinstance(value, int | float):
        raise ValueError(
            "an AWS account id has exactly 12 digits, and this is a number: YAML drops leading zeros. "
            'Write it in quotes, as in accountId: "012345678901"'
        )
    if re.fullmatch(r"[0-9]{4}-[0-9]{4}-[0-9]{4}", text):
        raise ValueError(f"an AWS account id is written without dashes. Write {text.replace('-', '')}")
    raise ValueError(
        "an AWS account id has exactly 12 digits. "
        "Look it up with: aws sts get-caller-identity --query Account --output text"
    )


def _text(value: object) -> str:
    """Return a text; refuse numbers and booleans, because YAML rewrites some of them (0123 arrives as 83)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        raise ValueError(
            "this must be a text, and YAML made it a number or a boolean, which can change it. "
            "Put it in quotes, or use: pulumi config set --path --type string"
        )
    raise ValueError("this must be a text. Put it in quotes")


def _no_longer(what: str, longest: int, text: str) -> str:
    if len(text) > longest:
        raise ValueError(f"{what} at most {longest} characters, this has {len(text)}. Shorten it")
    return text


def _name(kind: str, longest: int, value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9_+=,.@-]+", text):
        raise ValueError(f"{kind} names are made of letters, digits and _+=,.@- only. Choose such a name")
    return _no_longer(f"{kind} names have", longest, text)


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-names
role_name = partial(_name, "IAM role", limits.MAX_ROLE_NAME_LENGTH)
user_name = partial(_name, "IAM user", limits.MAX_USER_NAME_LENGTH)
policy_name = partial(_name, "IAM policy", limits.MAX_POLICY_NAME_LENGTH)
# The role and the user have it as it is, and the policies with a suffix, which leaves them shorter than AWS allows.
relationship_name = partial(_name, "IAM role and user", min(limits.MAX_ROLE_NAME_LENGTH, limits.MAX_USER_NAME_LENGTH))


def key_label(value: object) -> str:
    """Return an access key's label: ours, not AWS's; a number is as good, ``pulumi config set --path`` stores one."""
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, str | int) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise ValueError("a label is 1 to 64 letters, digits, _ or -. Choose a short word or a number")
    return text


def path(value: object) -> str:
    """Return an IAM path: ``/``, or printable ASCII between two slashes, more slashes included.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    text = _text(value)
    if not re.fullmatch(r"/|/[\x21-\x7e]+/", text):
        usable = "/".join(re.findall(r"[\x21-\x2e\x30-\x7e]+", text))
        raise ValueError(
            "an IAM path is / or begins and ends with /, with printable ASCII characters and no spaces between. "
            f"Write it like /{usable or 'division'}/"
        )
    _no_longer("an IAM path has", limits.MAX_PATH_LENGTH, text)
    if text.casefold().startswith("/aws-service-role/"):
        raise ValueError("AWS keeps the path /aws-service-role/ to the roles of its own services. Choose another")
    if wildcard := re.search(r"[*?]|\$\{", text):
        raise ValueError(
            f"AWS takes this path, and in a policy that names its ARN {wildcard[0]} would stand for other names. "
            "Choose another"
        )
    return text


def _only(characters: str, rule: str, text: str) -> str:
    """Return a text that has no other characters than those of a regular expression's class."""
    if strange := re.search(f"[^{characters}]", text):
        raise ValueError(f"{rule} only. Remove {strange[0]!r}")
    return text


def description(value: object) -> str:
    """Return a role description: Latin-1 characters, tabs and line breaks."""
    text = _no_longer("a description has", limits.MAX_DESCRIPTION_LENGTH, _text(value))
    return _only(r"\t\n\r\x20-\x7e\xa1-\xff", "IAM descriptions take Latin-1 characters", text)


def _seconds(what: str, low: int, high: int, value: object) -> int:
    text = str(whole(value))
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise ValueError(f"{what} is a whole number of seconds from {low} to {high}. Choose one in that range")
    return int(text)


session_duration = partial(
    _seconds, "a role's maximum session duration", limits.MIN_SESSION_SECONDS, limits.MAX_SESSION_SECONDS
)
mfa_max_age = partial(_seconds, "the age of an MFA sign-in", 1, limits.MAX_USER_SESSION_SECONDS)


def external_id(value: object) -> str:
    """Return an external id; it is no secret, because the trust policy shows it."""
    text = _text(value)
    if not limits.MIN_EXTERNAL_ID_LENGTH <= len(text) <= limits.MAX_EXTERNAL_ID_LENGTH:
        raise ValueError(
            f"an external id has {limits.MIN_EXTERNAL_ID_LENGTH} to {limits.MAX_EXTERNAL_ID_LENGTH} characters, "
            f"this has {len(text)}. Choose another"
        )
    return _only("A-Za-z0-9_+=,.@:/-", "an external id is made of letters, digits and _+=,.@:/-", text)


def _like(pattern: str, problem: str) -> Callable[[object], str]:
    """Return the rule for texts that match a pattern; ``problem`` is the message for other texts."""

    def rule(value: object) -> str:
        text = _text(value)
        if not re.fullmatch(pattern, text):
            raise ValueError(problem)
        return text

    return rule


# It also decides the partition (see ``iam.arns``).
region = _like(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", "this is not the name of an AWS region. Write it like us-east-1")
# In the AWS config file of the deploying person.
profile = _like(
    r"(?=.*\S)[^\]\r\n]+", "this is not the name of an AWS profile. See the names with: aws configure list-profiles"
)
organization_id = _like(
    r"o-[a-z0-9]{10,32}",
    "an organization id is o- and 10 to 32 lower-case letters or digits. "
    "Look it up with: aws organizations describe-organization --query Organization.Id",
)
KMS_KEY = r"(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
KMS_ALIAS = r"alias/[A-Za-z0-9/_-]+"
# https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
kms_key_id = _like(
    rf"{KMS_KEY}|{KMS_ALIAS}|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{{12}}:(key/{KMS_KEY}|{KMS_ALIAS})",
    "this is not a KMS key: give its id, its ARN or its alias. Write it like alias/NAME, and look it up with: "
    "aws kms list-aliases",
)


def _arn(kind: str, resource: str, example: str, value: object) -> str:
    text = _text(value)
    match = ARN.fullmatch(text)
    is_awss_own = match is not None and match["account"] == "aws"  # only managed policies are
    if (
        not match
        or match["service"] != "iam"
        or (is_awss_own and kind != "managed policy")
        or not re.fullmatch(resource, match["resource"])
    ):
        raise ValueError(f"this is not the ARN of an IAM {kind}. Write it like {example}")
    return text


# A policy can name it: without wildcards (see ``path``).
role_arn = partial(
    _arn, "role", r"role/(((?![*?]|\$\{)[\x21-\x7e])*/)?[A-Za-z0-9_+=,.@-]+", "arn:aws:iam::111122223333:role/NAME"
)
# Managed policies, the customer's or AWS's.
policy_arn = partial(
    _arn, "managed policy", r"policy/([\x21-\x7e]*/)?[A-Za-z0-9_+=,.@-]+", "arn:aws:iam::111122223333:policy/NAME"
)
# With * and ? as wildcards, as the condition ``ArnLike`` takes it.
principal_arn = partial(_arn, "user or role", r"(user|role)/[\x21-\x7e]+", "arn:aws:iam::444455556666:user/NAME")


def managed_policies(entries: dict[str, str]) -> dict[str, str]:
    """Return further managed policies of a role, by label; one more is the role's own."""
    if len(set(entries.values())) < len(entries):
        raise ValueError("a policy is attached once. Remove the label that repeats one")
    if len(entries) > limits.MAX_ROLE_POLICIES - 1:
        raise ValueError(
            f"a role has at most {limits.MAX_ROLE_POLICIES} managed policies, its own among them, and these are "
            f"{len(entries)}. Remove some"
        )
    return entries


def secret_name(kind: object, value: object) -> str:
    """Return the name of a secret in Secrets Manager, or of a parameter in Systems Manager's parameter store.

    Secrets Manager advises against names that end in a hyphen and six characters, as ``my-secret``: a search by a part
    of an ARN could take them for its own ends of ARNs. It takes them, and here a secret is always named by its whole
    ARN.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
    https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
    """
    text = _text(value)
    if kind is None:
        return text  # wrong by itself, so nothing is known of the name
    if kind == "ssm":
        if not re.fullmatch(r"[A-Za-z0-9_.-]+|(/[A-Za-z0-9_.-]+){1,15}", text):
            raise ValueError(
                "a parameter name is made of letters, digits and _.- and, if it has levels, begins with / and has at "
                "most 15 of them. Write it like /assume-role/user-1"
            )
        if re.match(r"/?(aws|ssm)", text, re.IGNORECASE):
            raise ValueError("a parameter name does not begin with aws or ssm. Choose another")
        return _no_longer("a parameter name has", limits.MAX_PARAMETER_NAME_LENGTH, text)
    if not re.fullmatch(r"[A-Za-z0-9/_+=.@-]+", text):
        raise ValueError("a secret's name is made of letters, digits and /_+=.@- only. Choose such a name")
    return _no_longer("a secret's name has", limits.MAX_SECRET_NAME_LENGTH, text)


def source_ip(value: object) -> str:
    """Return an IP address range in CIDR notation, of addresses from which AWS can be called.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-sourceip
    """
    text = _text(value)
    if re.search(r"/.*\.", text):
        raise ValueError("IAM takes no net masks. Write the length of the prefix, like 203.0.113.0/24")
    try:
        network = ipaddress.ip_network(text)
        if "%" in text or re.search(r"/0\d", text):  # what Python takes and IAM does not: a zone, and zeros before
            raise ValueError("it is written otherwise")  # noqa: TRY301 - said as Python's own
    except ValueError as error:
        raise ValueError(f"this is not an address or a CIDR range ({error}). Write it like 203.0.113.0/24") from None
    ends = (network.network_address, network.broadcast_address)
    if any(all(end in ipaddress.ip_network(inside) for end in ends) for inside in INSIDE):
        raise ValueError(
            "AWS sees the public address of a caller, never this one, which only networks inside know. Find yours "
            "with: curl https://checkip.amazonaws.com"
        )
    return text


def tags(entries: dict[str, str]) -> dict[str, str]:
    """Return tags: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules."""
    if len(entries) >= limits.MAX_TAGS:
        raise ValueError(
            f"AWS takes at most {limits.MAX_TAGS} tags, one of them is {OWNER_TAG}, and these are {len(entries)}. "
            f"Keep at most {limits.MAX_TAGS - 1}"
        )
    if len({name.casefold() for name in entries}) < len(entries):
        raise ValueError("IAM tag names differ by more than upper and lower case. Rename or remove one")
    return entries


def tag_name(value: object) -> str:
    """Return the name of a tag."""
    text = _tag_text(value)
    if text.casefold() == OWNER_TAG:
        raise ValueError(f"the tag {OWNER_TAG} says which stack owns a resource, and the program sets it. Remove it")
    if not 1 <= len(text) <= limits.MAX_TAG_KEY_LENGTH or text.casefold().startswith("aws:"):
        raise ValueError(
            f"a tag name has 1 to {limits.MAX_TAG_KEY_LENGTH} characters and does not begin with aws:. Rename it"
        )
    return text


def tag_value(value: object) -> str:
    """Return the value of a tag."""
    text = _tag_text(value)
    if len(text) > limits.MAX_TAG_VALUE_LENGTH:
        raise ValueError(f"a tag value has at most {limits.MAX_TAG_VALUE_LENGTH} characters. Shorten it")
    return text


def _tag_text(value: object) -> str:
    text = _text(value)
    strange = next((c for c in text if unicodedata.category(c)[0] not in "LNZ" and c not in "_.:/=+-@"), None)
    if strange is not None:
        raise ValueError(f"tags take letters, digits, spaces and _.:/=+-@ only. Remove {strange!r}")
    return text


def loopback_endpoint(value: object) -> str:
    """Return the URL of an AWS emulator on this machine; refuse any other address."""
    text = _text(value).rstrip("/")
    if problem := endpoint_error(text):
        raise ValueError(
            f"{problem}. Write it like http://127.0.0.1:4599, or remove it to deploy to real AWS: "
            "pulumi config rm assume-role:endpoint"
        )
    return text
