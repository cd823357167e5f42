"""The live test uses the settings of its user, which all other tests do without."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_user_settings():
    """Leave the user's AWS and Pulumi settings: the live test needs the profiles."""
