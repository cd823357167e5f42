"""How long to ask AWS again, and when its answer is final: the news of a change takes a while to spread.

IAM is eventually consistent: what is allowed may be the old policy's permission, what is refused may be too new to be
known, and nothing in the answer tells.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from tools.callers import aws_time
from tools.error_codes import MAY_SPREAD, MFA_FAILED, error_code
from tools.errors import FailedError

Result = TypeVar("Result")

# AWS names no time. A new key or policy usually spreads within 15 s, seldom within 60. Terraform's AWS provider found
# two minutes the most reliable: https://github.com/hashicorp/terraform-provider-aws/issues/16752
SPREADING_SECONDS = 120.0
EMULATOR_SPREADING_SECONDS = 8.0  # an emulator has nowhere to spread to; a wait only delays the bad news
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
REFUSAL_PAUSE_SECONDS = 0.5
FIRST_ROUND_PAUSE_SECONDS = 5.0
ROUNDING_SECONDS = 0.01  # so that a wait never ends a hair before the window closes


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

    def settle(self, call: Callable[[], Result], window: "Window") -> Result:
        """Return what ``call`` returns, or its error, which is final only where it was made in a closed window.

        Raises:
            ClientError, FailedError: what AWS told does not go with what is to be, and it is no old news.
        """
        start, rounds = window.clock(), 0
        while True:
            rounds, is_final = rounds + 1, not window.left
            try:
                return call()
            except (ClientError, FailedError):
                pause = window.pause(rounds, start=start)
                if is_final or pause is None:
                    raise
            self.tell(
                "What AWS tells does not go with the last deployment. It may be old news until "
                f"{window.closing_time}: looking again in {pause:.0f} s"
            )
            self.sleep(pause)


@dataclass(kw_only=True)
class Window:
    """The time from the last known change until all of AWS has heard of it; closed where no change is known.

    A moment is in seconds of ``clock``. Two clocks tell dates: this machine's, and AWS's, which may be ahead of it.
    """

    seconds: float = 0.0  # how long news may take to spread; 0: it has nowhere to spread to
    wait_seconds: float = math.inf  # how long to wait for the end, in all
    clock: Callable[[], float] = time.monotonic
    today: Callable[[], datetime] = lambda: datetime.now(UTC)
    closes: float = -math.inf
    ahead: timedelta = timedelta()

    def hear(self, answer: Mapping[str, Any]) -> None:
        """Learn from an answer of AWS by how much its clock is ahead of this machine's."""
        if stated := aws_time(answer):
            self.ahead = stated - self.today()

    def changed(self, when: datetime | None, *, by_aws: bool = False) -> None:
        """Note a change: nothing is final until it has spread. A date in the future counts as now.

        Args:
            when: its date; None where there is none to tell.
            by_aws: whether that is AWS's date, not one of this machine's clock.
        """
        if when is None:
            return
        age = (self.today() + (self.ahead if by_aws else timedelta()) - when).total_seconds()
        if age < self.seconds:
            self.closes = max(self.closes, self.clock() + self.seconds - max(age, 0.0))

    @property
    def left(self) -> float:
        """How many seconds it stays open; 0 where it is closed."""
        return max(self.closes - self.clock(), 0.0)

    @property
    def closing_time(self) -> str:
        """When it has closed, to the second, as this machine's clock will show it."""
        end = self.today() + timedelta(seconds=self.left)
        return f"{end + timedelta(seconds=1):%H:%M:%S} UTC"

    def pause(self, rounds: int, *, start: float) -> float | None:
        """Return for how long to pause before everything is asked again; None where the time will not suffice.

        Args:
            rounds: how often everything was asked already; the pauses grow.
            start: the moment when it was asked for the first time.
        """
        if self.closes > start + self.wait_seconds:
            return None
        left = self.left  # it may have closed since the round began
        pause = FIRST_ROUND_PAUSE_SECONDS * 2.0 ** (rounds - 1)
        return pause if 2 * pause < left else left + ROUNDING_SECONDS  # a round shortly before the end would delay it
