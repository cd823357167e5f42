"""The commands of `examples/ci`, in the shell of GitHub's runners, on the emulator: they pass, and they fail."""

import json
import re
import subprocess

import pytest
import yaml

from tests.conftest import ROOT
from tests.real_like import shorten_delay

CI = ROOT / "examples/ci"
FILES = {path.name: yaml.safe_load(path.read_text()) for path in sorted(CI.rglob("*.yml"))}
JOBS = {name: job for file in FILES.values() for name, job in file.get("jobs", {}).items() if "steps" in job}
SIGN_IN = FILES["action.yml"]["runs"]["steps"]
EXPRESSIONS = {
    "matrix.stack": "test",
    "vars.STACKS || '*'": "*",
    "github.token": "the-token",
    "github.repository": "owner/repository",
    "github.event.pull_request.number": "7",
    "!inputs.handed-over && '--until-hand-over' || ''": "--until-hand-over",
    # A stack on the emulator has a state of its own, and needs no profile.
    "vars.PULUMI_BACKEND_URL": None,
    "matrix.trusted.profile || matrix.trusting.profile": None,
}
# Stands in for GitHub's CLI: it answers with the comments that there are, and records each call.
GH = """#!/bin/sh
echo "$@" >> gh.log
case "$*" in *--paginate*) cat comments.txt ;; esac
"""


def steps(job):
    """Yield the steps of a job that run a command, those of the shared action included."""
    for step in JOBS[job]["steps"]:
        yield from SIGN_IN if step.get("uses") == "./.github/actions/sign-in" else [step]


def environment_of(described):
    filled = {
        name: EXPRESSIONS[match[1]] if (match := re.fullmatch(r"\$\{\{ (.*) \}\}", str(value))) else str(value)
        for name, value in described.get("env", {}).items()
    }
    return {name: value for name, value in filled.items() if value is not None}


class Runner:
    """Runs jobs in a checkout as GitHub does, and knows how each step ended."""

    def __init__(self, project):
        self.project, self.path = project, project.path
        (self.path / "bin").mkdir()
        (self.path / "bin/gh").write_text(GH)
        (self.path / "bin/gh").chmod(0o755)
        (self.path / "comments.txt").touch()

    def run(self, job, **changes):
        """Return whether the job succeeds, and what its steps printed, by their names."""
        succeeded, printed = True, {}
        for step in steps(job):
            if "run" not in step or not (succeeded or re.search(r"always\(\)|!cancelled\(\)", step.get("if", ""))):
                continue
            environment = {**self.project.environment, **environment_of(JOBS[job]), **environment_of(step), **changes}
            environment["PATH"] = f"{self.path / 'bin'}:{environment['PATH']}"
            environment["GITHUB_OUTPUT"] = str(self.path / "output.txt")
            options = ["--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") == "bash" else ["-e"]
            done = subprocess.run(
                ["bash", *options, "-c", step["run"]],
                cwd=self.path,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            printed[step["name"]] = done.stdout + done.stderr
            succeeded = succeeded and done.returncode == 0
        return succeeded, printed

    def git(self, *words, folder=None):
        done = subprocess.run(["git", *words], cwd=folder or self.path, capture_output=True, text=True, check=True)
        return done.stdout

    def publish(self):
        """Push the stack's file to a repository, in which somebody else commits something afterwards."""
        self.git("init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
        self.git("clone", "--quiet", "origin.git", "other")
        for folder in (self.path, self.path / "other"):
            self.git("init", "--quiet", "--initial-branch=main", folder=folder)
            self.git("config", "user.name", "Somebody", folder=folder)
            self.git("config", "user.email", "somebody@example.com", folder=folder)
        self.git("remote", "add", "origin", str(self.path / "origin.git"))
        self.git("add", "Pulumi.test.yaml")
        self.git("commit", "--quiet", "-m", "Add a stack")
        self.git("push", "--quiet", "--set-upstream", "origin", "main")
        self.git("pull", "--quiet", "origin", "main", folder=self.path / "other")
        self.git("commit", "--quiet", "--allow-empty", "-m", "Something else", folder=self.path / "other")
        self.git("push", "--quiet", "origin", "HEAD:main", folder=self.path / "other")

    def published(self):
        """Return the subjects of the commits in the repository, the newest first, and the keys in the stack's file."""
        subjects = self.git("log", "--format=%s", "main", folder=self.path / "origin.git").splitlines()
        content = yaml.safe_load(self.git("show", "main:Pulumi.test.yaml", folder=self.path / "origin.git"))
        return subjects, [key["label"] for key in content["config"].get("assume-role:accessKeys", [])]


@pytest.fixture
def runner(project):
    return Runner(project)


@pytest.fixture
def real_runner(make_real, proxy):
    """Return a runner whose accounts count as real, so that a command without its yes does nothing."""
    project = make_real(proxy.url)
    shorten_delay(project)
    return Runner(project)


@pytest.fixture
def standing_runner(standing):
    return Runner(standing)


def test_every_command_is_plain_and_known_here():
    commands = [step["run"] for job in JOBS for step in steps(job) if "run" in step]
    assert [command for command in commands if "${{" in command] == []
    assert set(JOBS) == {"list", "preview", "comment", "deploy", "verify", "rotate"}


def test_the_stacks_for_real_aws_are_the_matrix(runner):
    sides = {"trusting": {"accountId": "111122223333", "profile": "birch"}, "trusted": {"accountId": "444455556666"}}
    for name, sections in {
        "birch": sides,
        "half": {**sides, "trusting": {**sides["trusting"], "manage": False}},
        "local": {**sides, "endpoint": "http://127.0.0.1:4599"},
    }.items():
        content = {"config": {f"assume-role:{key}": value for key, value in sections.items()}}
        (runner.path / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(content))

    succeeded, _ = runner.run("list")

    assert succeeded
    matrix = json.loads((runner.path / "output.txt").read_text().removeprefix("matrix="))
    assert matrix == {"include": [{"stack": "birch", **sides}, {"stack": "half", **sides, "trusting": None}]}

    (runner.path / "Pulumi.broken.yaml").write_text("config: [")
    succeeded, printed = runner.run("list")
    assert not succeeded
    assert "Pulumi.broken.yaml cannot be read" in printed["List the stacks"]


def test_a_pull_request_gets_its_preview_in_one_comment(runner):
    assert runner.run("preview")[0]
    assert runner.run("comment")[0]

    comment = (runner.path / "comment.md").read_text()
    assert comment.startswith("<!-- preview -->\n")
    assert "<summary>preview-test.txt</summary>\n\n    " in comment
    assert "to create" in comment
    assert (runner.path / "gh.log").read_text().splitlines()[-1] == "pr comment 7 --body-file comment.md"

    (runner.path / "comments.txt").write_text("12345\n")
    runner.project.configure({"role": {"name": "a b"}})
    assert not runner.run("preview")[0]
    assert runner.run("comment")[0]
    assert "IAM role names are made of" in (runner.path / "comment.md").read_text()
    last = (runner.path / "gh.log").read_text().splitlines()[-1]
    assert last == "api --method PATCH repos/owner/repository/issues/comments/12345 -F body=@comment.md"


def test_a_push_deploys_and_proves_and_is_red_where_that_fails(real_runner):
    runner = real_runner
    succeeded, printed = runner.run("deploy")
    assert succeeded, printed
    assert "Stack test is proven" in printed["Deploy, and wait for the whole proof"]
    assert runner.run("verify")[0]

    runner.project.configure({"role": {"name": "a b"}})
    assert not runner.run("deploy")[0]


def test_the_night_finds_changes_by_hand_and_settings_that_are_not_deployed(standing_runner, aws_client):
    runner = standing_runner
    assert runner.run("verify")[0]

    runner.project.configure({"role": {"description": "new"}})
    succeeded, printed = runner.run("verify")
    assert not succeeded
    assert "is proven" in printed["Prove"]
    assert "description" in printed["Look for drift"]
    runner.project.configure({"role": None})

    iam = aws_client(runner.project.accounts.trusting, "iam")
    iam.update_role(RoleName="Assume-Role-1", MaxSessionDuration=7200)
    succeeded, printed = runner.run("verify")
    assert not succeeded
    assert "disproven       role's limits" in printed["Prove"]
    assert "maxSessionDuration" in printed["Look for drift"]


def test_a_rotation_stops_while_both_keys_work_and_commits_the_stacks_file(standing_runner):
    runner = standing_runner
    runner.publish()

    succeeded, printed = runner.run("rotate")

    assert succeeded
    assert "without --until-hand-over when the new key is handed over" in printed["Rotate"]
    commits = ["Rotate the key of stack test", "Something else", "Add a stack"]
    assert runner.published() == (commits, ["1", "2"])

    assert runner.run("rotate")[0]
    assert runner.published() == (commits, ["1", "2"])
    assert runner.run("rotate", UNTIL="")[0]
    assert runner.published() == ([commits[0], *commits], ["2"])


def test_no_key_is_rotated_that_the_other_party_has():
    (rotates,) = [step for step in JOBS["rotate"]["steps"] if step.get("name") == "Rotate"]
    assert rotates["if"] == "matrix.trusted"  # null, where the other party makes the user


def test_a_rotation_that_does_nothing_is_red_and_commits_nothing(standing_runner):
    runner = standing_runner
    runner.publish()
    runner.project.configure({"role": {"description": "new"}})
    runner.git("commit", "--quiet", "-am", "Describe the role")
    runner.git("pull", "--quiet", "--rebase")
    runner.git("push", "--quiet")

    succeeded, printed = runner.run("rotate")

    assert not succeeded
    assert "Other changes of stack test are pending" in printed["Rotate"]
    assert runner.published() == (["Describe the role", "Something else", "Add a stack"], [])
