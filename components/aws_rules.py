"""What AWS takes in single settings: each rule returns the value, or says with the rule and the fix what is wrong.

AWS reports most errors one at a time, while it creates things. Here all are known before.
"""

import ipaddress
import re
import unicodedata

from pydantic import AfterValidator, BeforeValidator

from .iam.endpoints import endpoint_error
from .iam.limits import MAX_ROLE_POLICIES, MAX_SESSION_SECONDS, MAX_TAG_VALUE_LENGTH, MAX_TAGS, MIN_SESSION_SECONDS
from .iam.owner import OWNER_TAG
from .validation import whole

# Addresses that no call to AWS comes from: private, shared, loopback, link-local, unique local.
INSIDE = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("::1/128", "fe80::/10", "fc00::/7"),
)


def text(value: object) -> str:
    """Return a text; refuse numbers and booleans, because YAML rewrites some of them (0123 arrives as 83)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        raise ValueError(
            "this must be a text, and YAML made it a number or a boolean, which can change it. "
            "Put it in quotes, or use: pulumi config set --path --type string"
        )
    raise ValueError("this must be a text. Put it in quotes")


def like(pattern: str, problem: str) -> BeforeValidator:
    """Return the rule for texts that match a pattern; ``problem`` is the message for other texts."""
    compiled = re.compile(pattern)

    def rule(value: object) -> str:
        if not compiled.fullmatch(checked := text(value)):
            raise ValueError(problem)
        return checked

    return BeforeValidator(rule)


def made_of(characters: str, least: int, most: int, what: str) -> BeforeValidator:
    """Return the rule for texts of some characters, as a regular expression's class has them, and of some length.

    ``what`` says the characters in words.
    """

    def rule(value: object) -> str:
        checked = text(value)
        if strange := re.search(f"[^{characters}]", checked):
            raise ValueError(f"{what} only. Remove {strange[0]!r}")
        if not least <= len(checked) <= most:
            raise ValueError(f"{what}, {least} to {most} of them, and this has {len(checked)}. Choose another")
        return checked

    return BeforeValidator(rule)


def _name(kind: str, most: int) -> BeforeValidator:
    return made_of("A-Za-z0-9_+=,.@-", 1, most, f"{kind} names are made of letters, digits and _+=,.@-")


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-names
role_name = _name("IAM role", 64)
user_name = _name("IAM user", 64)
policy_name = _name("IAM policy", 128)
# The role and the user have it as it is, and the policies with a suffix, which leaves them shorter than AWS allows.
relationship_name = _name("IAM role and user", 64)
description = made_of(r"\t\n\r\x20-\x7e\xa1-\xff", 0, 1000, "IAM descriptions are made of Latin-1 characters")
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
external_id = made_of("A-Za-z0-9_+=,.@:/-", 2, 1224, "external ids are made of letters, digits and _+=,.@:/-")
# It also decides the partition (see ``iam.arns``).
region = like(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", "this is not the name of an AWS region. Write it like us-east-1")
# In the AWS config file of the deploying person.
profile = like(
    r"(?=.*\S)[^\]\r\n]+", "this is not the name of an AWS profile. See the names with: aws configure list-profiles"
)
organization_id = like(
    r"o-[a-z0-9]{10,32}",
    "an organization id is o- and 10 to 32 lower-case letters or digits. "
    "Look it up with: aws organizations describe-organization --query Organization.Id",
)
KMS_KEY = r"(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
KMS_ALIAS = r"alias/[A-Za-z0-9/_-]+"
# https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
kms_key_id = like(
    rf"{KMS_KEY}|{KMS_ALIAS}|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{{12}}:(key/{KMS_KEY}|{KMS_ALIAS})",
    "this is not a KMS key: give its id, its ARN or its alias. Write it like alias/NAME, and look it up with: "
    "aws kms list-aliases",
)


def stored_name(kind: str | None, value: object) -> str:
    """Return the name of a secret or parameter; where its kind is wrong (None), nothing is known of the name.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
    https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
    """
    checked = text(value)
    if kind == "secretsmanager" and not re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,512}", checked):
        raise ValueError("a secret's name has 1 to 512 letters, digits and /_+=.@- only. Choose such a name")
    parameter = r"(?!(?i:/?(aws|ssm)))(?=.{1,900}\Z)([A-Za-z0-9_.-]+|(/[A-Za-z0-9_.-]+){1,15})"
    if kind == "ssm" and not re.fullmatch(parameter, checked):
        raise ValueError(
            "a parameter name has at most 900 letters, digits and _.-, at most 15 levels that each begin with /, and "
            "does not begin with aws or ssm. Write it like /assume-role/user-1"
        )
    return checked


@BeforeValidator
def account_id(value: object) -> str:
    """Take 12 digits, and a number when nothing can have been lost from it."""
    digits = str(value)
    if isinstance(value, str | int) and re.fullmatch(r"[0-9]{12}", digits):
        return digits
    if isinstance(value, int | float):
        raise ValueError(
            "an AWS account id has exactly 12 digits, and this is a number: YAML drops leading zeros. "
            'Write it in quotes, as in accountId: "012345678901"'
        )
    if re.fullmatch(r"[0-9]{4}-[0-9]{4}-[0-9]{4}", digits):
        raise ValueError(f"an AWS account id is written without dashes. Write {digits.replace('-', '')}")
    raise ValueError(
        "an AWS account id has exactly 12 digits. "
        "Look it up with: aws sts get-caller-identity --query Account --output text"
    )


@BeforeValidator
def label(value: object) -> str:
    """Take what is ours and not AWS's; a number is as good, ``pulumi config set --path`` stores one."""
    if isinstance(value, bool) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", str(value)):
        raise ValueError("a label is 1 to 64 letters, digits, _ or -. Choose a short word or a number")
    return str(value)


@BeforeValidator
def path(value: object) -> str:
    """Take ``/``, or printable ASCII between two slashes, more slashes included.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    checked = text(value)
    if not re.fullmatch(r"/|/[\x21-\x7e]{1,510}/", checked):
        raise ValueError(
            "an IAM path is / or begins and ends with /, and has at most 512 printable ASCII characters and no spaces. "
            "Write it like /division/"
        )
    if checked.casefold().startswith("/aws-service-role/"):
        raise ValueError("AWS keeps the path /aws-service-role/ to the roles of its own services. Choose another")
    if wildcard := re.search(r"[*?]|\$\{", checked):
        raise ValueError(
            f"AWS takes this path, and in a policy that names its ARN {wildcard[0]} would stand for other names. "
            "Choose another"
        )
    return checked


def _seconds(what: str, low: int, high: int) -> BeforeValidator:
    def rule(value: object) -> int:
        digits = str(whole(value))
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", digits) or not low <= int(digits) <= high:
            raise ValueError(f"{what} is a whole number of seconds from {low} to {high}. Choose one in that range")
        return int(digits)

    return BeforeValidator(rule)


session_duration = _seconds("a role's maximum session duration", MIN_SESSION_SECONDS, MAX_SESSION_SECONDS)
# As a user's own session: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
mfa_max_age = _seconds("the age of an MFA sign-in", 1, 129600)


IAM_ARN = r"arn:aws[a-z-]*:iam::[0-9]{12}:"
# A policy can name it: without wildcards (see ``path``).
role_arn = like(
    rf"{IAM_ARN}role/(((?![*?]|\$\{{)[\x21-\x7e])*/)?[A-Za-z0-9_+=,.@-]+",
    "this is not the ARN of an IAM role. Write it like arn:aws:iam::111122223333:role/NAME",
)
# The customer's, or AWS's own, whose account is `aws`.
policy_arn = like(
    rf"({IAM_ARN}|arn:aws[a-z-]*:iam::aws:)policy/([\x21-\x7e]*/)?[A-Za-z0-9_+=,.@-]+",
    "this is not the ARN of an IAM managed policy. Write it like arn:aws:iam::111122223333:policy/NAME",
)
# With * and ? as wildcards, as the condition ``ArnLike`` takes it.
principal_arn = like(
    rf"{IAM_ARN}(user|role)/[\x21-\x7e]+",
    "this is not the ARN of an IAM user or role. Write it like arn:aws:iam::444455556666:user/NAME",
)


@AfterValidator
def managed_policies(entries: dict[str, str]) -> dict[str, str]:
    """Take further managed policies of a role, by label; one more is the role's own."""
    if len(set(entries.values())) < len(entries):
        raise ValueError("a policy is attached once. Remove the label that repeats one")
    if len(entries) > MAX_ROLE_POLICIES - 1:
        raise ValueError(
            f"a role has at most {MAX_ROLE_POLICIES} managed policies, its own among them, and these are "
            f"{len(entries)}. Remove some"
        )
    return entries


@BeforeValidator
def source_ip(value: object) -> str:
    """Take an IP address range in CIDR notation, of addresses from which AWS can be called.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-sourceip
    """
    cidr = text(value)
    try:
        network = ipaddress.ip_network(cidr)
        if re.search(r"%|/0\d|/.*\.", cidr):  # what Python takes and IAM does not: zones, zeros before, net masks
            raise ValueError("it is written otherwise")  # noqa: TRY301 - said as Python's own
    except ValueError as error:
        raise ValueError(f"this is not an address or a CIDR range ({error}). Write it like 203.0.113.0/24") from None
    ends = (network.network_address, network.broadcast_address)
    if any(all(end in ipaddress.ip_network(inside) for end in ends) for inside in INSIDE):
        raise ValueError(
            "AWS sees the public address of a caller, never this one, which only networks inside know. Find yours "
            "with: curl https://checkip.amazonaws.com"
        )
    return cidr


def tag_value(value: object) -> str:
    """Return the value of a tag, or its name."""
    checked = text(value)
    strange = next((c for c in checked if unicodedata.category(c)[0] not in "LNZ" and c not in "_.:/=+-@"), None)
    if strange is not None:
        raise ValueError(f"tags have letters, digits, spaces and _.:/=+-@ only. Remove {strange!r}")
    if len(checked) > MAX_TAG_VALUE_LENGTH:
        raise ValueError(f"a tag value has at most {MAX_TAG_VALUE_LENGTH} characters. Shorten it")
    return checked


@BeforeValidator
def tag_name(value: object) -> str:
    """Take the name of a tag: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules."""
    tag = tag_value(value)
    if tag.casefold() == OWNER_TAG:
        raise ValueError(f"the tag {OWNER_TAG} says which stack owns a resource, and the program sets it. Remove it")
    if not re.fullmatch(r"(?!(?i:aws:)).{1,128}", tag):
        raise ValueError("a tag name has 1 to 128 characters and does not begin with aws:. Rename it")
    return tag


@AfterValidator
def tags(entries: dict[str, str]) -> dict[str, str]:
    """Take tags that fit together."""
    if len(entries) >= MAX_TAGS:
        raise ValueError(
            f"AWS takes at most {MAX_TAGS} tags, one of them is {OWNER_TAG}, and these are {len(entries)}. "
            f"Keep at most {MAX_TAGS - 1}"
        )
    if len({key.casefold() for key in entries}) < len(entries):
        raise ValueError("IAM tag names differ by more than upper and lower case. Rename or remove one")
    return entries


@BeforeValidator
def loopback_endpoint(value: object) -> str:
    """Take the URL of an AWS emulator on this machine, and no other address."""
    url = text(value).rstrip("/")
    if problem := endpoint_error(url):
        raise ValueError(
            f"{problem}. Write it like http://127.0.0.1:4599, or remove it to deploy to real AWS: "
            "pulumi config rm assume-role:endpoint"
        )
    return url
