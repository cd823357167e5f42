"""How long to ask AWS again while the news of a change may not have spread."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from botocore.exceptions import ClientError

from tools.answers import MAY_SPREAD, MFA_FAILED, error_code

Result = TypeVar("Result")

# AWS names no time. A new key or policy usually spreads within 15 s, seldom within 60. Terraform's AWS provider found
# two minutes the most reliable: https://github.com/hashicorp/terraform-provider-aws/issues/16752
SPREADING_SECONDS = 120.0
EMULATOR_SPREADING_SECONDS = 8.0  # an emulator has nowhere to spread to; a wait only delays the bad news
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
REFUSAL_PAUSE_SECONDS = 0.5


def spreading_seconds(endpoint: str | None) -> float:
    """Return how long the news of a change may take to be known everywhere, on AWS or on an emulator."""
    return EMULATOR_SPREADING_SECONDS if endpoint else SPREADING_SECONDS


def window_seconds(endpoint: str | None) -> float:
    """Return until how long after a change AWS, or an emulator, may answer as before it."""
    return 0.0 if endpoint else SPREADING_SECONDS


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the calls that must succeed go on asking, all of them together."""

    seconds: float
    tell: Callable[[str], None]  # tells the person who waits what for
    refusal_pause: float = REFUSAL_PAUSE_SECONDS  # between calls that must be refused, each time
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    started: list[float] = field(default_factory=list[float])

    def insist(self, what: str, call: Callable[[], Result], *, codes: frozenset[str] = MAY_SPREAD) -> Result:
        """Return what ``call`` returns, asking again with growing pauses while AWS may not have heard the news yet.

        Args:
            what: names the call for the person who waits.
            call: what to do, again and again.
            codes: the error codes that may only mean "not yet".

        Raises:
            ClientError: it was still refused when the time was up, or it failed in a way that waiting does not mend.
        """
        if not self.started:
            self.started.append(self.clock())
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return call()
            except ClientError as error:
                left = self.started[0] + self.seconds - self.clock()
                if error_code(error) not in codes or MFA_FAILED in str(error) or left <= 0:
                    raise
                self.tell(f"{what}: {error_code(error)}. It may still be spreading; asking for {left:.0f} s more")
            self.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
