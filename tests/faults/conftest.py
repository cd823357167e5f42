"""What the tests of faults share: a stage, and the options of `make faults`."""

import pytest

from tests.faults.cases import FAULTS
from tests.faults.operations import OPERATIONS
from tests.faults.trial import Stage

NARROW = ("operation", "fault", "call")


def pytest_addoption(parser):
    group = parser.getgroup("faults")
    group.addoption("--operation", choices=list(OPERATIONS), help="only this operation, and no kills and troubles")
    group.addoption("--fault", choices=[str(fault) for fault in FAULTS], help="only this fault, and as above")
    group.addoption("--call", help="only this call, as CreateRole, and as above")
    group.addoption("--real-like", action="store_true", help="as on real AWS: no endpoint, profiles, and a person")
    group.addoption("--each-once", action="store_true", help="each fault once an operation, over different calls")


def pytest_collection_modifyitems(config, items):
    """Leave the matrix alone where its cases are chosen."""
    if any(config.getoption(name, None) for name in NARROW):
        items[:] = [item for item in items if item.path.name == "test_matrix.py"]


@pytest.fixture(scope="session")
def stage(tmp_path_factory, request, pytestconfig):
    names = ("emulator", "next_accounts", "make_project", "make_standing", "aws_client")
    shared = {name: request.getfixturevalue(name) for name in names}
    real = pytestconfig.getoption("real_like", default=False)
    return Stage(folder=tmp_path_factory.mktemp("faults"), real=real, **shared)
