"""How long AWS's answers may still be those from before a change.

IAM is eventually consistent, and no answer says whether it is stale.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from tools.aws.callers import aws_time
from tools.aws.errors import MAY_PROPAGATE, MFA_FAILED, error_code
from tools.console import say

Result = TypeVar("Result")

# AWS names no time. A new key or policy usually propagates within 15 s, seldom within 60. Terraform's AWS provider
# found two minutes the most reliable: https://github.com/hashicorp/terraform-provider-aws/issues/16752
PROPAGATION_SECONDS = 120.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
ROUNDING_SECONDS = 0.01  # so that a wait never ends before the delay


def propagation_seconds(endpoint: str | None) -> float:
    """Return the propagation delay. An emulator is consistent at once."""
    return 0.0 if endpoint else PROPAGATION_SECONDS


@dataclass(kw_only=True)
class Delay:
    """The propagation delay after the last known change; over where no change is known.

    ``until`` and ``retries_end`` are in seconds of ``clock``. AWS's clock may be ahead of this machine's.
    """

    seconds: float = 0.0
    timeout: float = 0.0  # how many seconds to retry calls in all, or to wait for the end of the delay
    report: Callable[[str], None] = say
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    today: Callable[[], datetime] = lambda: datetime.now(UTC)
    until: float = -math.inf
    ahead: timedelta = timedelta()
    retries_end: float | None = None  # None: nothing was called yet

    def retry(self, what: str, call: Callable[[], Result], *, codes: frozenset[str] = MAY_PROPAGATE) -> Result:
        """Return what ``call`` returns, with growing pauses while AWS refuses it with one of the codes.

        Raises:
            ClientError: AWS still refused it at the end of the timeout, or it failed for another reason.
        """
        if self.retries_end is None:
            self.retries_end = self.clock() + self.timeout
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return call()
            except ClientError as error:
                left = self.retries_end - self.clock()
                if error_code(error) not in codes or MFA_FAILED in str(error) or left <= 0:
                    raise
                self.report(f"{what}: {error_code(error)}. It may not have propagated; trying for {left:.0f} s more")
            self.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def read_clock(self, answer: Mapping[str, Any]) -> None:
        """Learn from a response by how much AWS's clock is ahead of this machine's."""
        if stated := aws_time(answer):
            self.ahead = stated - self.today()

    def changed(self, when: datetime | None, *, by_aws: bool = False) -> None:
        """Note a change, with its date by AWS's clock or this machine's. A date in the future counts as now."""
        if when is None:
            return
        age = (self.today() + (self.ahead if by_aws else timedelta()) - when).total_seconds()
        if age < self.seconds:
            self.until = max(self.until, self.clock() + self.seconds - max(age, 0.0))

    @property
    def left(self) -> float:
        """How many seconds are left; 0 where it is over."""
        return max(self.until - self.clock(), 0.0)

    @property
    def end(self) -> str:
        """When it is over, to the second, by this machine's clock."""
        return f"{self.today() + timedelta(seconds=self.left + 1):%H:%M:%S} UTC"

    def wait(self) -> None:
        """Sleep until it is over."""
        if self.left:
            self.sleep(self.left + ROUNDING_SECONDS)
