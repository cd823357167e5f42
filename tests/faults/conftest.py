"""What the tests of faults share: a stage, and the options of `make faults`."""

import pytest

from tests.faults.trial import Stage


def pytest_addoption(parser):
    group = parser.getgroup("faults")
    group.addoption("--operation", help="only this operation, as update")
    group.addoption("--fault", help="only this fault, as 'cut short'")
    group.addoption("--call", help="only this call, as CreateRole")
    group.addoption("--each-once", action="store_true", help="each fault once an operation, over different calls")


@pytest.fixture(scope="session")
def stage(tmp_path_factory, request):
    names = ("emulator", "next_accounts", "make_project", "make_standing", "aws_client")
    shared = {name: request.getfixturevalue(name) for name in names}
    return Stage(folder=tmp_path_factory.mktemp("faults"), **shared)
