"""How much is tried: the same little at each `make test`; as much as wanted, other each time, by `make fuzz`."""

import os
from pathlib import Path

import pysequoia
import pytest
from hypothesis import HealthCheck, Phase, configuration, given, settings

EXAMPLES = int(os.environ.get("FUZZ") or 0)  # of each kind; 0: those of `make test`

# Nothing is kept: what fails becomes a test of its own.
configuration.set_hypothesis_home_dir(Path(__file__).resolve().parents[2] / ".local/hypothesis")
settings.register_profile(
    "fuzz",
    database=None,
    deadline=None,
    derandomize=not EXAMPLES,
    phases=[Phase.generate, *([Phase.shrink] if EXAMPLES else [])],  # to make a failure small takes minutes
    print_blob=bool(EXAMPLES),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fuzz")


def tried(usual, **strategies):
    """Run a test on ``usual`` examples, or on as many as `make fuzz` says."""
    return lambda test: settings(max_examples=EXAMPLES or usual)(given(**strategies)(test))


@pytest.fixture(scope="session")
def pgp_key_file(tmp_path_factory):
    """Return the file of a PGP key that will do."""
    file = tmp_path_factory.mktemp("pgp") / "reader.asc"
    file.write_text(str(pysequoia.Tsk.generate(user_id="Reader <reader@example.com>").extract_certificate()))
    return file
