"""Which addresses an AWS emulator may have: those of one's own machine.

Its credentials are made up, it is trusted without proof, and the tools change it without a question.
"""

import ipaddress
import re
from typing import Final, TypeGuard
from urllib.parse import urlsplit

EMULATOR_SECRET: Final = "embedded"  # noqa: S105 - it takes any; the states of emulated stacks hold this one
# Programs differ in what they take for the host of http://127.0.0.2:1\\@192.0.2.1:2, or drop a tab or line break.
AMBIGUOUS = re.compile(r"[^\x21-\x7e]|[\\@%]")


def is_emulator(endpoint: object) -> TypeGuard[str]:
    """Return whether a stack's ``endpoint`` is an emulator's, so that its accounts are emulated.

    Whatever else stands there (nothing, a space, another machine, a name before an @) counts as real AWS.
    """
    return isinstance(endpoint, str) and endpoint_error(endpoint.rstrip("/")) is None


def endpoint_error(url: str) -> str | None:
    """Return what is wrong with a URL as the endpoint of an emulator, as a clause; None if nothing is.

    Args:
        url: without a slash at its end.
    """
    if strange := AMBIGUOUS.search(url):
        return f"an endpoint is http://, a loopback address and a port, without {strange[0]!r}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "this is not a URL"
    plain = url.endswith(parts.netloc)  # and nothing behind it, not even a lone ? or #
    if parts.scheme not in ("http", "https") or not parts.hostname or not port or not plain:
        return "an endpoint is http://, a loopback address and a port"
    if not is_loopback(url):
        return f"an endpoint is an emulator on this machine, and {parts.hostname} is not a loopback address"
    return None


def is_loopback(url: str) -> bool:
    """Return whether every reader of URLs takes the host for a loopback address."""
    if AMBIGUOUS.search(url):
        return False
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
