"""Commands that a test runs in its own process find their stack prepared."""

import pytest

from tools.environment import Accounts


@pytest.fixture(autouse=True)
def _prepared(monkeypatch):
    monkeypatch.setattr("tools.environment.enter", lambda _: Accounts(emulated=True))
