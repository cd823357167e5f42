"""AWS's own limits on what a user may configure, as functions that return the value or say what is wrong with it.

Each function takes one configured value and returns it; it raises ``ValueError`` with the rule and the fix. The
caller adds which key it was and which value was seen. AWS reports most of these only while it creates things, one at
a time; here they are known before anything is created.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from typing import cast

from iam.arns import ARN
from iam.endpoints import endpoint_fault
from iam.limits import (
    MAX_DESCRIPTION_LENGTH,
    MAX_EXTERNAL_ID_LENGTH,
    MAX_PARAMETER_NAME_LENGTH,
    MAX_PATH_LENGTH,
    MAX_POLICY_NAME_LENGTH,
    MAX_ROLE_NAME_LENGTH,
    MAX_ROLE_POLICIES,
    MAX_SECRET_NAME_LENGTH,
    MAX_SESSION_SECONDS,
    MAX_TAG_KEY_LENGTH,
    MAX_TAG_VALUE_LENGTH,
    MAX_TAGS,
    MAX_USER_NAME_LENGTH,
    MAX_USER_SESSION_SECONDS,
    MIN_EXTERNAL_ID_LENGTH,
    MIN_SESSION_SECONDS,
)

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


def _name(kind: str, longest: int, value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9_+=,.@-]+", text):
        raise ValueError(f"{kind} names are made of letters, digits and _+=,.@- only. Choose such a name")
    if len(text) > longest:
        raise ValueError(f"{kind} names have at most {longest} characters, this has {len(text)}. Shorten it")
    return text


def role_name(value: object) -> str:
    """Return a role name: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html."""
    return _name("IAM role", MAX_ROLE_NAME_LENGTH, value)


def user_name(value: object) -> str:
    """Return a user name: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html."""
    return _name("IAM user", MAX_USER_NAME_LENGTH, value)


def policy_name(value: object) -> str:
    """Return a policy name: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html."""
    return _name("IAM policy", MAX_POLICY_NAME_LENGTH, value)


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
    if len(text) > MAX_PATH_LENGTH:
        raise ValueError(f"an IAM path has at most {MAX_PATH_LENGTH} characters, this has {len(text)}. Shorten it")
    if text.casefold().startswith("/aws-service-role/"):
        raise ValueError("AWS keeps the path /aws-service-role/ to the roles of its own services. Choose another")
    return text


def description(value: object) -> str:
    """Return a role description: Latin-1 characters, tabs and line breaks."""
    text = _text(value)
    if len(text) > MAX_DESCRIPTION_LENGTH:
        raise ValueError(
            f"a description has at most {MAX_DESCRIPTION_LENGTH} characters, this has {len(text)}. Shorten it"
        )
    if strange := re.search(r"[^\t\n\r\x20-\x7e\xa1-\xff]", text):
        raise ValueError(f"IAM descriptions take Latin-1 characters only. Remove {strange[0]!r}")
    return text


def session_duration(value: object) -> int:
    """Return a role's maximum session duration in seconds."""
    return _seconds("a role's maximum session duration", MIN_SESSION_SECONDS, MAX_SESSION_SECONDS, value)


def mfa_max_age(value: object) -> int:
    """Return how old an MFA sign-in may be, in seconds."""
    return _seconds("the age of an MFA sign-in", 1, MAX_USER_SESSION_SECONDS, value)


def _seconds(what: str, low: int, high: int, value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise ValueError(f"{what} is a whole number of seconds from {low} to {high}. Choose one in that range")
    return int(text)


def external_id(value: object) -> str:
    """Return an external id; it is not a secret: whoever may read the role can read it in the trust policy."""
    text = _text(value)
    if not MIN_EXTERNAL_ID_LENGTH <= len(text) <= MAX_EXTERNAL_ID_LENGTH:
        raise ValueError(
            f"an external id has {MIN_EXTERNAL_ID_LENGTH} to {MAX_EXTERNAL_ID_LENGTH} characters, "
            f"this has {len(text)}. Choose another"
        )
    if strange := re.search(r"[^A-Za-z0-9_+=,.@:/-]", text):
        raise ValueError(f"an external id is made of letters, digits and _+=,.@:/- only. Remove {strange[0]!r}")
    return text


def region(value: object) -> str:
    """Return a region name; it also decides the partition (see ``partition``)."""
    text = _text(value)
    if not re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", text):
        raise ValueError("this is not the name of an AWS region. Write it like us-east-1")
    return text


def profile(value: object) -> str:
    """Return the name of a profile in the AWS config files of whoever deploys."""
    text = _text(value)
    if not text.strip() or re.search(r"[\]\r\n]", text):
        raise ValueError("this is not the name of an AWS profile. See the names with: aws configure list-profiles")
    return text


def role_arn(value: object) -> str:
    """Return the ARN of a role."""
    return _arn("role", r"role/([\x21-\x7e]*/)?[A-Za-z0-9_+=,.@-]+", "arn:aws:iam::111122223333:role/NAME", value)


def policy_arn(value: object) -> str:
    """Return the ARN of a managed policy, the customer's or AWS's."""
    return _arn(
        "managed policy", r"policy/([\x21-\x7e]*/)?[A-Za-z0-9_+=,.@-]+", "arn:aws:iam::111122223333:policy/NAME", value
    )


def managed_policies(value: object) -> dict[str, str]:
    """Return further managed policies of a role, by label; one more is the role's own."""
    if not isinstance(value, Mapping):
        raise ValueError(
            "this is an object of labels and policy ARNs. Set one with: pulumi config set --path "
            "assume-role:role.managedPolicies.LABEL arn:aws:iam::aws:policy/NAME"
        )
    entries: dict[str, str] = {}
    for name, arn in cast("Mapping[object, object]", value).items():
        try:
            entries[key_label(name)] = policy_arn(arn)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if len(set(entries.values())) < len(entries):
        raise ValueError("a policy is attached once. Remove the label that repeats one")
    if len(entries) > MAX_ROLE_POLICIES - 1:
        raise ValueError(
            f"a role has at most {MAX_ROLE_POLICIES} managed policies, its own among them, and these are "
            f"{len(entries)}. Remove some"
        )
    return entries


def principal_arn(value: object) -> str:
    """Return the ARN of a user or role, with * and ? as wildcards, as the condition ``ArnLike`` takes it."""
    return _arn("user or role", r"(user|role)/[\x21-\x7e]+", "arn:aws:iam::444455556666:user/NAME", value)


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


def secret_name(kind: object, value: object) -> str:
    """Return the name of a secret in Secrets Manager, or of a parameter in Systems Manager's parameter store.

    Secrets Manager advises against names that end in a hyphen and six characters, as ``my-secret``: a search by a part
    of an ARN could take them for its own ends of ARNs. It takes them, and here a secret is always named by its whole
    ARN.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
    https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
    """
    text = _text(value)
    if kind == "ssm":
        if not re.fullmatch(r"[A-Za-z0-9_.-]+|(/[A-Za-z0-9_.-]+){1,15}", text):
            raise ValueError(
                "a parameter name is made of letters, digits and _.- and, if it has levels, begins with / and has at "
                "most 15 of them. Write it like /assume-role/user-1"
            )
        if re.match(r"/?(aws|ssm)", text, re.IGNORECASE):
            raise ValueError("a parameter name does not begin with aws or ssm. Choose another")
        if len(text) > MAX_PARAMETER_NAME_LENGTH:
            raise ValueError(
                f"a parameter name has at most {MAX_PARAMETER_NAME_LENGTH} characters, this has {len(text)}. Shorten it"
            )
        return text
    if not re.fullmatch(r"[A-Za-z0-9/_+=.@-]+", text):
        raise ValueError("a secret's name is made of letters, digits and /_+=.@- only. Choose such a name")
    if len(text) > MAX_SECRET_NAME_LENGTH:
        raise ValueError(
            f"a secret's name has at most {MAX_SECRET_NAME_LENGTH} characters, this has {len(text)}. Shorten it"
        )
    return text


def kms_key_id(value: object) -> str:
    """Return a KMS key as its id, its ARN, or the name or ARN of an alias.

    https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
    """
    text = _text(value)
    key = r"(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    alias = r"alias/[A-Za-z0-9/_-]+"
    if not re.fullmatch(rf"{key}|{alias}|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{{12}}:(key/{key}|{alias})", text):
        raise ValueError(
            "this is not a KMS key: give its id, its ARN or its alias. Write it like alias/NAME, and look it up with: "
            "aws kms list-aliases"
        )
    return text


def organization_id(value: object) -> str:
    """Return the id of an AWS organization."""
    text = _text(value)
    if not re.fullmatch(r"o-[a-z0-9]{10,32}", text):
        raise ValueError(
            "an organization id is o- and 10 to 32 lower-case letters or digits. "
            "Look it up with: aws organizations describe-organization --query Organization.Id"
        )
    return text


def source_ip(value: object) -> str:
    """Return an IP address range in CIDR notation, of addresses from which AWS can be called.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-sourceip
    """
    text = _text(value)
    if re.search(r"/.*\.", text):
        raise ValueError("IAM takes no net masks. Write the length of the prefix, like 203.0.113.0/24")
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"this is not an address or a CIDR range ({error}). Write it like 203.0.113.0/24") from None
    ends = (network.network_address, network.broadcast_address)
    if any(all(end in ipaddress.ip_network(inside) for end in ends) for inside in INSIDE):
        raise ValueError(
            "AWS sees the public address of a caller, never this one, which only networks inside know. Find yours "
            "with: curl https://checkip.amazonaws.com"
        )
    return text


def tags(value: object) -> dict[str, str]:
    """Return tags: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules."""
    if not isinstance(value, Mapping):
        raise ValueError("tags are an object of names and values. Set one with: pulumi config set --path")
    entries = {_text(name): _tag_value(name, entry) for name, entry in cast("Mapping[object, object]", value).items()}
    if len(entries) > MAX_TAGS:
        raise ValueError(f"AWS takes at most {MAX_TAGS} tags, these are {len(entries)}. Remove some")
    if len({name.casefold() for name in entries}) < len(entries):
        raise ValueError("IAM tag names differ by more than upper and lower case. Rename or remove one")
    for name in entries:
        if not 1 <= len(name) <= MAX_TAG_KEY_LENGTH or name.casefold().startswith("aws:"):
            raise ValueError(
                f"a tag name has 1 to {MAX_TAG_KEY_LENGTH} characters and does not begin with aws:. Rename {name!r}"
            )
        _tag_characters(name, name)
    return entries


def _tag_value(name: object, value: object) -> str:
    try:
        text = _text(value)
    except ValueError as error:
        raise ValueError(f"tag {name!r}: {error}") from None
    if len(text) > MAX_TAG_VALUE_LENGTH:
        raise ValueError(f"a tag value has at most {MAX_TAG_VALUE_LENGTH} characters. Shorten that of {name!r}")
    _tag_characters(name, text)
    return text


def _tag_characters(name: object, text: str) -> None:
    strange = next((c for c in text if unicodedata.category(c)[0] not in "LNZ" and c not in "_.:/=+-@"), None)
    if strange is not None:
        raise ValueError(
            f"tags take letters, digits, spaces and _.:/=+-@ only. Remove {strange!r} from the tag {name!r}"
        )


def loopback_endpoint(value: object) -> str:
    """Return the URL of an AWS emulator on this machine; refuse any other address."""
    text = _text(value).rstrip("/")
    if fault := endpoint_fault(text):
        raise ValueError(
            f"{fault}. Write it like http://127.0.0.1:4599, or remove it to deploy to real AWS: "
            "pulumi config rm assume-role:endpoint"
        )
    return text
