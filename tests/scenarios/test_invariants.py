"""Each invariant reports when it does not hold: otherwise, a scenario that never fails would prove nothing."""

import pytest

from tests.faults.operations import Done
from tests.scenarios import invariants, truth
from tests.scenarios.steps import BrokenError, take

WELL = Done(("pulumi", "up"), 0, "")


def broken(world, done):
    world.seen.clear()
    return invariants.broken(world, done)


def after_up(world):
    world.seen.clear()
    return invariants.after_up(world)


@pytest.fixture(scope="module")
def world(begin):
    with begin() as world:
        yield world


def test_nothing_is_broken_at_first(world):
    assert broken(world, WELL) == []
    assert after_up(world) == []
    assert truth.deviations(world, world.project.outputs()) == []


@pytest.mark.parametrize(
    ("done", "reported"),
    [
        (Done((), 1, "Traceback (most recent call last)\nerror: x"), "a traceback"),
        (Done((), 1, "make: *** [Makefile:49: up] Error 1"), "said no sentence"),
        (Done((), None, ""), "said no sentence"),
    ],
)
def test_words(world, done, reported):
    assert any(reported in error for error in broken(world, done))


def test_a_secret_in_the_output_or_in_a_file(world):
    secret = next(iter(world.proxy.secrets))
    assert broken(world, Done((), 0, f"x{secret}x")) == ["a secret stands in the output"]
    file = world.project.path / ".local/note.txt"
    file.write_text(secret)
    assert broken(world, WELL) == ["a secret stands in .local/note.txt"]
    file.unlink()


def test_what_stands_in_the_wrong_account(world):
    iam = world.iam("trusting")
    iam.create_user(UserName="user-1")
    assert broken(world, WELL) == ["in the wrong account: trusting: user user-1"]
    iam.delete_user(UserName="user-1")


def test_a_third_key(world):
    made = [world.iam("trusted").create_access_key(UserName="user-1")["AccessKey"]["AccessKeyId"] for _ in range(2)]
    assert broken(world, WELL) == ["user-1 has 3 keys"]
    assert "the user's keys" in truth.deviations(world, world.project.outputs())
    for key_id in made:
        world.iam("trusted").delete_access_key(UserName="user-1", AccessKeyId=key_id)


def test_unmanaged_resources(world):
    iam = world.iam("other")
    iam.tag_user(UserName="Unmanaged-User", Tags=[{"Key": "a", "Value": "b"}])
    assert broken(world, WELL)[0].startswith("unmanaged resources changed")
    iam.untag_user(UserName="Unmanaged-User", TagKeys=["a"])


def test_outputs_and_aws_that_do_not_agree_with_the_state(world):
    state = world.project.state()
    role_arn = world.outputs()["roleArn"]
    world.project.state_file.write_text(state.replace(f'"roleArn":"{role_arn}"', '"roleArn":"arn:x"'))
    assert any("the output roleArn is arn:x" in error for error in after_up(world))
    world.project.state_file.write_text(state)

    take(world, ["by hand", "make a key inactive"])
    assert any("is Inactive, not Active" in error for error in after_up(world))
    take(world, ["by hand", "delete the role"])
    assert any("AWS lacks trusting: role" in error for error in after_up(world))


def test_a_difference_after_an_up_and_a_wrong_verdict(world):
    """The world is as the test before left it: without its role."""
    world.promise = True
    with pytest.raises(BrokenError, match="there is a difference after an up"):
        take(world, ["run", "preview"])
