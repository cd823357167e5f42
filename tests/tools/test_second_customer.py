"""A second customer of the same trusted account, with the same names, cannot break the first one's stack."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tests.tools.test_adopt import OWNER, USER

NAME = "second"


def second_of(project, **settings):
    """Return a second stack of the project, with the settings of the first one and the given ones."""
    second = replace(project, stack=NAME)
    shutil.copy2(project.stack_file, second.stack_file)
    second.configure(settings)
    return second


def keys(project, aws_client):
    listed = aws_client(project.accounts.trusted, "iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]
    return [(key["AccessKeyId"], key["Status"]) for key in listed]


def test_a_second_customer_with_the_same_names_is_refused(standing, aws_client):
    second = second_of(standing, trusting={"accountId": standing.accounts.other})
    before, state = keys(standing, aws_client), standing.state()

    for command in (("up",), ("adopt", "YES=1")):
        refused = standing.run("make", *command, f"STACK={NAME}", check=False)
        assert refused.returncode != 0
        assert f"User {USER} (trusted account) belongs to stack {OWNER}" in refused.stderr
        assert "delete-access-key" not in refused.stdout + refused.stderr

    assert (keys(standing, aws_client), standing.state()) == (before, state)
    assert before[0][0] not in second.state()
    assert "Stack test is proven" in standing.run("make", "verify", "STACK=test").stdout


def test_two_deployments_side_by_side_with_the_same_names_leave_each_key_with_one_stack(project, aws_client):
    second = second_of(project)

    with ThreadPoolExecutor() as pool:
        first_up, second_up = pool.map(
            lambda each: each.run("make", "up", f"STACK={each.stack}", check=False), (project, second)
        )

    succeeded = [each for each, done in ((project, first_up), (second, second_up)) if done.returncode == 0]
    assert len(succeeded) <= 1, first_up.stdout + second_up.stdout
    for stack in succeeded:
        key = stack.outputs()["accessKeyId"]
        assert keys(project, aws_client) == [(key, "Active")]
        stack.run("make", "verify", f"STACK={stack.stack}")
