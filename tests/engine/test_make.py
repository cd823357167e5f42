"""`make up` as a whole: deploys, proves, prints, and fails exactly when something is wrong."""

import json
import re
from datetime import UTC, datetime

import pysequoia

from components.iam.documents import deny_older_sessions
from tests.conftest import ROOT
from tools.aws.policies import REVOCATION

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def test_proves_and_prints_the_outputs_without_secrets_as_the_readme_shows(tmp_path, accounts, make_project):
    """In a folder with a space in its name, and through no proxy: nothing of it leaves this machine."""
    project = make_project(tmp_path / "a folder", accounts)
    proxy = dict.fromkeys(["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"], "http://127.0.0.1:9")
    environment = proxy | {"no_proxy": "", "NO_PROXY": ""}
    done = project.with_passphrase().with_own_plugins().run("make", "up", "STACK=test", environment=environment)

    outputs = project.outputs()
    secret = outputs["secretAccessKey"]
    *_, before, last = done.stdout.splitlines()
    assert (before, last.startswith("Stack test is proven (")) == ("", True)
    assert f"    accessKeyId        {outputs['accessKeyId']}\n" in done.stdout
    assert "    aws sts get-caller-identity --profile assume-role-test\n" in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.split()[:1] in (["terms"], ["readme"])]
    assert secret not in done.stdout + done.stderr
    assert secret not in (project.path / ".local/proof-test.json").read_text()
    assert json.loads(project.run("make", "-s", "outputs", "STACK=test", "JSON=1").stdout)["userName"] == "user-1"

    (shown,) = re.findall(r"```console\n\$ make up\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    printed = done.stdout
    for account, documented in {
        project.accounts.trusting: "111122223333",
        project.accounts.trusted: "444455556666",
    }.items():
        printed = printed.replace(account, documented)
    assert [line for line in map(timeless, shown.splitlines()) if line != "..." and line not in timeless(printed)] == []


def timeless(text):
    """Return what was printed, without what differs from run to run."""
    text = text.replace(" STACK=test", "").replace("Stack test", "Stack dev").replace("role-test", "role-dev")
    text = re.sub(r"AKIA[A-Z0-9]{16}", "AKIA", text)
    return re.sub(r"[0-9.]+ s\)|\([0-9.]+s\)|\([0-9]+ proven.*\)", "", text).strip()


def test_fails_where_the_proof_does(standing, aws_client):
    project = standing
    iam = aws_client(project.accounts.trusting, "iam")
    iam.put_role_policy(RoleName="Assume-Role-1", PolicyName="by-hand", PolicyDocument=json.dumps(EVERYTHING))

    done = project.run("make", "up", "STACK=test", check=False)

    assert done.returncode != 0
    assert "by-hand" in done.stdout
    assert "roleArn" in done.stdout


def test_refreshes_emulated_accounts_only_after_a_failed_proof(standing, aws_client):
    """A refresh takes as long as the deployment itself."""
    project = standing
    aws_client(project.accounts.trusting, "iam").update_role(RoleName="Assume-Role-1", MaxSessionDuration=7200)

    done = project.run("make", "up", "STACK=test")

    assert "disproven       role's limits" in done.stdout
    assert "The accounts differed from the state of stack test. It is refreshed now." in done.stdout
    assert done.stdout.index("disproven") < done.stdout.index("Stack test is proven")
    history = json.loads(project.pulumi("stack", "history", "--json").stdout)
    assert [entry["kind"] for entry in history[:2]] == ["update", "refresh"]


def test_recovers_from_a_role_deleted_by_hand_in_emulated_accounts(standing, aws_client):
    project = standing
    iam = aws_client(project.accounts.trusting, "iam")
    policy = f"arn:aws:iam::{project.accounts.trusting}:policy/Custom-Policy-For-Role-1"
    iam.detach_role_policy(RoleName="Assume-Role-1", PolicyArn=policy)
    iam.delete_role(RoleName="Assume-Role-1")
    project.configure({"role": {"description": "new"}})

    done = project.run("make", "up", "STACK=test")

    assert "NoSuchEntity" in done.stdout
    assert "Stack test is proven" in done.stdout


def test_leaves_the_proof_to_the_owner_of_a_pgp_key(project):
    key = pysequoia.Tsk.generate(user_id="Reader <reader@example.com>").extract_certificate()
    (project.path / "reader.asc").write_text(str(key))
    project.configure({"pgpKeyFile": "reader.asc"})

    done = project.run("make", "up", "STACK=test")

    assert "Stack test could not be proven" in done.stdout
    assert "make verify STACK=test ARGS=--secret-stdin" in done.stdout


def test_destroys_emulated_accounts_without_questions(standing, free_port):
    """Also where the state still says that AWS is at another port, where nothing answers."""
    project = standing
    state = project.path / ".local/stacks/.pulumi/stacks/assume-role/test.json"
    state.write_text(state.read_text().replace(project.endpoint, f"http://127.0.0.1:{free_port()}"))

    up = project.run("make", "up", "STACK=test")
    done = project.run("make", "destroy", "STACK=test")

    assert f"Stack test was deployed to another endpoint: asking {project.endpoint} instead." in up.stderr
    assert "another endpoint" not in done.stderr
    assert project.pulumi("stack", "output", "--json").stdout.strip() == "{}"


def test_destroy_removes_what_revoke_put_on_role_and_user(real_project, aws_client):
    """AWS deletes no role or user that has an inline policy."""
    project, document = real_project, json.dumps(deny_older_sessions(datetime.now(UTC)))
    project.up()
    trusting, trusted = (aws_client(getattr(project.accounts, side), "iam") for side in ("trusting", "trusted"))
    trusting.put_role_policy(RoleName="Assume-Role-1", PolicyName=REVOCATION, PolicyDocument=document)
    trusted.put_user_policy(UserName="user-1", PolicyName=REVOCATION, PolicyDocument=document)

    asked = project.run("make", "destroy", "STACK=test", check=False)

    assert asked.returncode != 0
    assert "make revoke put these inline policies there" in asked.stdout
    assert trusted.list_user_policies(UserName="user-1")["PolicyNames"] == [REVOCATION]

    done = project.run("make", "destroy", "STACK=test", "YES=1")

    assert f"{REVOCATION} of user user-1" in done.stdout
    assert trusted.list_users()["Users"] == []

    again = project.run("make", "destroy", "STACK=test", "YES=1")  # where no deployment can be read

    assert "make revoke" not in again.stdout
