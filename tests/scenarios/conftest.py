"""The start of a scenario."""

import json
from contextlib import contextmanager

import pytest

from tests.faults.conftest import stage  # noqa: F401 - the same as for single faults
from tests.faults.operations import OPERATIONS
from tests.scenarios.world import World


@pytest.fixture(scope="session")
def begin(stage):  # noqa: F811 - the fixture
    """Return a context manager that gives a world where the relationship stands, with the default settings."""

    @contextmanager
    def world():
        with stage.project(OPERATIONS["refresh"]) as (project, proxy):
            proxy.secrets.update(seal(project))
            yield World(project, proxy, stage.client)

    return world


def seal(project):
    """Let the engine write the secrets of a copied state anew, as ciphertext; return them."""
    state = json.loads(project.state())
    deployment = {"version": 3, "deployment": state["checkpoint"]["latest"]}
    file = project.path / ".local/plain.json"
    file.write_text(json.dumps(deployment))
    project.pulumi("stack", "import", "--file", str(file))
    file.unlink()
    for copy in (project.path / ".local/stacks").rglob("*.bak"):
        copy.unlink()
    assert "plaintext" not in project.state()
    return {
        json.loads(value["plaintext"])
        for resource in deployment["deployment"]["resources"]
        for name, value in resource.get("outputs", {}).items()
        if name == "secret"
    }
