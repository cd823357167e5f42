"""How many were tried, and what came out; the share is asserted, so that no half of a grammar goes untried."""

import functools
import inspect
from collections import Counter

from hypothesis import given, settings

from tests.fuzz.conftest import EXAMPLES

LEAST = 0.25


def tried(usual, *, least=LEAST, **strategies):
    """Run a test on ``usual`` examples, or as many as `make fuzz` was told; it returns what came out of one.

    Args:
        usual: how many `make test` tries.
        least: the share that each outcome must have.
        strategies: what Hypothesis's ``given`` takes.
    """

    def decorate(test):
        @functools.wraps(test)
        def run(capsys, **fixtures):
            outcomes = Counter()

            @settings(max_examples=EXAMPLES or usual)
            @given(**strategies)
            def each(**values):
                outcomes[test(**fixtures, **values)] += 1

            each()
            if EXAMPLES:
                with capsys.disabled():
                    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
                    print(f"\n{test.__name__}: {outcomes.total():,} tried, {counts}")  # noqa: T201 - to be read
            assert min(outcomes.values()) >= least * outcomes.total(), outcomes

        run.__signature__ = _fixtures_of(test, strategies)
        return run

    return decorate


def _fixtures_of(test, strategies):
    """Return the signature that pytest sees: the fixtures, without what Hypothesis makes."""
    signature = inspect.signature(test)
    wanted = [each for name, each in signature.parameters.items() if name not in strategies]
    capsys = inspect.Parameter("capsys", inspect.Parameter.KEYWORD_ONLY)
    fixtures = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in wanted if each.name != "capsys"]
    return signature.replace(parameters=[capsys, *fixtures])
