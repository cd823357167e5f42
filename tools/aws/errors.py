"""AWS error codes and what a check concludes from them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

# How AWS services say "you may not". Anything else (time-outs, throttling, garbage) is no refusal and proves nothing.
REFUSED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",  # SNS
        "AuthorizationErrorException",
        "UnauthorizedOperation",  # EC2
        "UnauthorizedAccess",
    }
)
# How they say "I do not know this key": it is inactive, deleted, or too new to have propagated.
UNKNOWN_KEY = frozenset({"InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException", "AuthFailure"})
WRONG_SECRET = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException"})
TIME_CODES = frozenset({"RequestTimeTooSkewed", "RequestExpired"})  # the clock of this machine is off
IN_RECOVERY = "marked for deletion"  # part of Secrets Manager's message
NO_SUCH_ENTITY = "NoSuchEntity"  # how IAM says that something is not there
# How AWS services say that something is not there.
NOT_FOUND = frozenset({NO_SUCH_ENTITY, "ResourceNotFoundException", "InvalidResourceId", "ParameterNotFound"})
# IAM is eventually consistent, so both may only mean "not yet":
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
MAY_PROPAGATE = REFUSED | UNKNOWN_KEY
MFA_FAILED = "MultiFactorAuthentication failed"  # part of AWS's message; the same code will not get better by waiting


def error_code(error: "ClientError") -> str:
    """Return AWS's error code, as ``AccessDenied``."""
    return str(error.response.get("Error", {}).get("Code", "no code"))


def error_text(error: "ClientError") -> str:
    """Return AWS's error code and own words."""
    words = str(error.response.get("Error", {}).get("Message", "")).strip().rstrip(".")
    return f"{error_code(error)}: {words}"
