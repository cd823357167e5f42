"""Until when AWS may still answer as before the last known change. No answer until then is final.

IAM is eventually consistent: what is allowed may be the old policy's permission, what is refused may be too new to be
known, and nothing in the answer tells.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tools.callers import aws_time

FIRST_PAUSE_SECONDS = 5.0
ROUNDING_SECONDS = 0.01  # so that a wait never ends a hair before the window closes


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
    def closing_time(self) -> str:
        """When it has closed, to the second, as this machine's clock will show it."""
        end = self.today() + timedelta(seconds=max(self.closes - self.clock(), 0.0))
        return f"{end + timedelta(seconds=1):%H:%M:%S} UTC"

    def pause(self, rounds: int, *, start: float) -> float | None:
        """Return for how long to pause before everything is asked again; None where the time will not suffice.

        Args:
            rounds: how often everything was asked already; the pauses grow.
            start: the moment when it was asked for the first time.
        """
        if self.closes > start + self.wait_seconds:
            return None
        left = max(self.closes - self.clock(), 0.0)  # it may have closed since the round began
        pause = FIRST_PAUSE_SECONDS * 2.0 ** (rounds - 1)
        return pause if 2 * pause < left else left + ROUNDING_SECONDS  # a round shortly before the end would delay it
