"""A relationship from `up` to `destroy` with the real engine: the resources in AWS after each command."""

import json
import re

import pytest

# What is said with the stand-in plugin, and with the official one: tests run with either, and the README names both.
SAID = {
    "name taken": (
        "CreateUser, EntityAlreadyExists",
        r"CreateUser, https response error StatusCode: 409, RequestID: \S+, EntityAlreadyExists",
    ),
    "no emulator": (
        "the AWS emulator does not answer at http://127.0.0.1:",
        r"(?s)Retrieving AWS account details: .*connect: connection refused",
    ),
    "sign-in gone": ("cannot assume the IAM Role .*AccessDenied", r"(?is)cannot assume IAM role"),
}

LIST_QUEUES = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}],
}


def changes(done) -> dict[str, int]:
    """Return the counts of the summary, as {"unchanged": 13}."""
    words = {"to create": "created", "to update": "updated", "to replace": "replaced", "to delete": "deleted"}
    found = re.findall(
        r"^ *[-+~ ]*(\d+) (created|updated|replaced|deleted|unchanged|to \w+)$", done.stdout, re.MULTILINE
    )
    return {words.get(word, word): int(count) for count, word in found}


def says(done, what) -> bool:
    """Tell whether a command failed with the words for it, of whichever plugin is used."""
    return done.returncode != 0 and any(re.search(words, done.stdout + done.stderr) for words in SAID[what])


def root_arn(account_id):
    return f"arn:aws:iam::{account_id}:root"


@pytest.fixture(scope="module")
def first(tmp_path_factory, next_accounts, make_project):
    """Return a project and what its first `pulumi up` printed, with the preview that a person gets."""
    project = make_project(tmp_path_factory.mktemp("first"), next_accounts()).with_passphrase()
    return project, project.pulumi("up", "--yes", "--diff", "--color", "never")


@pytest.fixture(scope="module")
def up(first):
    return first[0]


@pytest.fixture(scope="module")
def outputs(up):
    return up.outputs()


class TestFirstUp:
    """What one `pulumi up` prints, and leaves behind: the tests leave it as it is."""

    def test_prints_no_secret(self, first, outputs):
        _, done = first

        assert outputs["accessKeyId"] in done.stdout
        assert outputs["secretAccessKey"] not in done.stdout + done.stderr

    def test_the_eight_steps_each_in_its_account(self, up, outputs, aws_client):
        trusting = aws_client(up.accounts.trusting, "iam")
        trusted = aws_client(up.accounts.trusted, "iam")

        role = trusting.get_role(RoleName="Assume-Role-1")["Role"]
        assert role["Arn"] == outputs["roleArn"]
        assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": root_arn(up.accounts.trusted)}
        (attached,) = trusting.list_attached_role_policies(RoleName="Assume-Role-1")["AttachedPolicies"]
        assert attached["PolicyName"] == "Custom-Policy-For-Role-1"
        user = trusted.get_user(UserName="user-1")["User"]
        assert user["Arn"] == outputs["userArn"]
        (attached,) = trusted.list_attached_user_policies(UserName="user-1")["AttachedPolicies"]
        assert attached["PolicyName"] == "Custom-Assume-Role-Policy"
        (key,) = trusted.list_access_keys(UserName="user-1")["AccessKeyMetadata"]
        assert (key["AccessKeyId"], key["Status"]) == (outputs["accessKeyId"], "Active")
        assert trusting.list_users()["Users"] == []
        assert trusted.list_roles()["Roles"] == []

    def test_outputs(self, up, outputs):
        assert outputs.keys() == {
            *("roleArn", "roleName", "userArn", "userName", "trustingAccountId", "trustedAccountId", "switchRoleUrl"),
            *("accessKeyId", "secretAccessKey", "accessKeys", "awsConfig", "readme"),
        }
        assert outputs["accessKeys"] == {
            "1": {"id": outputs["accessKeyId"], "status": "Active", "secret": outputs["secretAccessKey"]}
        }
        assert outputs["trustingAccountId"] == up.accounts.trusting
        assert outputs["trustedAccountId"] == up.accounts.trusted

    def test_there_is_nothing_to_change_and_no_command_shows_the_secret(self, up, outputs):
        commands = [
            up.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--diff", "--logtostderr", "-v=3"),
            up.preview("--diff", "--json", "--expect-no-changes"),
            again := up.up("--diff", "--logtostderr", "-v=3"),
            up.pulumi("stack", "output", "--json"),
            up.pulumi("stack", "export"),
            up.run("make", "outputs", "STACK=test"),
        ]

        assert changes(again) == {"unchanged": 13}
        secret = outputs["secretAccessKey"]
        assert len(secret) == 40
        assert secret not in up.state()
        assert "ciphertext" in up.state()
        for done in commands:
            assert secret not in done.stdout + done.stderr, done.args


def test_a_copy_is_as_good_as_an_up(standing):
    """Most tests start from such a copy: neither the engine nor `verify` may find a difference."""
    refreshed = standing.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    proof = standing.run("make", "verify", "STACK=test")

    assert changes(refreshed) == changes(standing.up()) == {"unchanged": 13}
    assert "Stack test is proven" in proof.stdout


class TestChanges:
    """What a change of the settings does to what stands: each leaves the rest alone."""

    def test_in_place(self, standing, aws_client):
        before = standing.outputs()
        (standing.path / "policies" / "read.json").write_text(
            json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
                }
            )
        )
        standing.configure(
            {
                "role": {"maxSessionDuration": 7200, "policy": {"file": "policies/read.json"}},
                "trust": {"externalId": "customer-42"},
                "tags": {"team": "platform"},
                "accessKeys": [{"label": "1"}, {"label": "2"}],
            }
        )

        counts = changes(standing.up())

        assert "replaced" not in counts
        assert "deleted" not in counts
        both = standing.outputs()
        assert both["accessKeys"]["1"] == before["accessKeys"]["1"]
        assert both["accessKeyId"] == both["accessKeys"]["2"]["id"]
        iam = aws_client(standing.accounts.trusting, "iam")
        role = iam.get_role(RoleName="Assume-Role-1")["Role"]
        assert role["MaxSessionDuration"] == 7200
        assert role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] == {
            "StringEquals": {"sts:ExternalId": "customer-42"}
        }
        assert {"Key": "team", "Value": "platform"} in role["Tags"]
        arn = f"arn:aws:iam::{standing.accounts.trusting}:policy/Custom-Policy-For-Role-1"
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        assert document["Statement"][0]["Action"] == "s3:ListAllMyBuckets"

        standing.configure({"accessKeys": [{"label": "1", "status": "Inactive"}, {"label": "2"}]})

        assert changes(standing.up()) == {"updated": 1, "unchanged": 13}
        assert standing.outputs()["accessKeys"] == {
            "1": {**before["accessKeys"]["1"], "status": "Inactive"},
            "2": both["accessKeys"]["2"],
        }

    def test_a_new_user_name_replaces_the_user_its_key_and_attachment(self, standing, aws_client):
        before = standing.recorded()
        standing.configure({"user": {"name": "user-2"}})

        counts = changes(standing.up())

        assert counts["replaced"] == 3  # user, attachment, key
        iam = aws_client(standing.accounts.trusted, "iam")
        assert [user["UserName"] for user in iam.list_users()["Users"]] == ["user-2"]
        (attached,) = iam.list_attached_user_policies(UserName="user-2")["AttachedPolicies"]
        assert attached["PolicyName"] == "Custom-Assume-Role-Policy"
        (key,) = iam.list_access_keys(UserName="user-2")["AccessKeyMetadata"]
        assert key["AccessKeyId"] == standing.recorded()["accessKeyId"] != before["accessKeyId"]
        standing.preview("--expect-no-changes")

    def test_new_names_in_the_trusting_account_replace_there_and_move_the_user_along(self, standing, aws_client):
        before = standing.recorded()
        standing.configure(
            {"role": {"name": "Role-2", "policy": {"name": "Policy-2"}}, "user": {"policyName": "Policy-3"}}
        )

        standing.up()

        outputs = standing.recorded()
        iam = aws_client(standing.accounts.trusting, "iam")
        assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["Role-2"]
        assert [policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]] == ["Policy-2"]
        assert standing.terms()["assumePolicy"]["Statement"][0]["Resource"] == outputs["roleArn"]
        assert outputs["accessKeyId"] == before["accessKeyId"]
        trusted = aws_client(standing.accounts.trusted, "iam")
        assert [policy["PolicyName"] for policy in trusted.list_policies(Scope="Local")["Policies"]] == ["Policy-3"]
        standing.preview("--expect-no-changes")

    def test_a_managed_policy_comes_beside_the_own_one_or_in_its_place(self, project, aws_client):
        iam = aws_client(project.accounts.trusting, "iam")
        further = iam.create_policy(PolicyName="Further", PolicyDocument=json.dumps(LIST_QUEUES))["Policy"]["Arn"]

        def attached(**role):
            project.configure({"role": role or None})
            project.up("--refresh")
            policies = iam.list_attached_role_policies(RoleName="Assume-Role-1")["AttachedPolicies"]
            return {policy["PolicyName"] for policy in policies}

        both = attached(managedPolicies={"queues": further}, policy={"file": "policies/s3-full-access.json"})
        alone = attached(managedPolicies={"queues": further})
        proof = project.python("-m", "tools", "verify", "--stack", "test")
        diagram = project.python("-m", "tools", "diagram", "--stack", "test")
        iam.detach_role_policy(RoleName="Assume-Role-1", PolicyArn=further)
        without = project.python("-m", "tools", "verify", "--stack", "test", check=False)

        assert (both, alone) == ({"Custom-Policy-For-Role-1", "Further"}, {"Further"})
        assert "Stack test is proven" in proof.stdout
        assert "not tried: what role.managedPolicies allow" in proof.stdout
        assert further in (project.path / diagram.stdout.strip()).read_text()
        assert without.returncode == 1
        assert f"{further} is not attached" in without.stdout
        assert attached() == {"Custom-Policy-For-Role-1"}


class TestDrift:
    def test_only_a_refresh_changes_back_what_was_changed_by_hand(self, standing, aws_client):
        """Why Pulumi.yaml does not say `refresh: always`: the next pipeline would open a leaked key again."""
        trusting, trusted = (aws_client(getattr(standing.accounts, side), "iam") for side in ("trusting", "trusted"))
        arn = f"arn:aws:iam::{standing.accounts.trusting}:policy/Custom-Policy-For-Role-1"
        anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
        key = standing.recorded()["accessKeyId"]

        def there():
            role = trusting.get_role(RoleName="Assume-Role-1")["Role"]["AssumeRolePolicyDocument"]
            (status,) = [each["Status"] for each in trusted.list_access_keys(UserName="user-1")["AccessKeyMetadata"]]
            attached = trusting.list_attached_role_policies(RoleName="Assume-Role-1")["AttachedPolicies"]
            return role["Statement"][0]["Principal"]["AWS"], len(attached), status

        trusting.update_assume_role_policy(RoleName="Assume-Role-1", PolicyDocument=document)
        trusting.detach_role_policy(RoleName="Assume-Role-1", PolicyArn=arn)
        trusted.update_access_key(UserName="user-1", AccessKeyId=key, Status="Inactive")

        standing.up()
        assert there() == ("*", 0, "Inactive")

        assert changes(standing.up("--refresh")) == {"created": 1, "updated": 2}
        assert there() == (root_arn(standing.accounts.trusted), 1, "Active")

    def test_a_name_that_is_taken(self, project, aws_client):
        aws_client(project.accounts.trusted, "iam").create_user(UserName="user-1")

        done = project.up(check=False)

        assert says(done, "name taken")
        assert "user-1" in done.stdout + done.stderr
        assert '"aws:iam/user:User"' not in project.state()


class TestDestroy:
    def test_leaves_both_accounts_empty_for_an_up_again(self, project, aws_client):
        project.configure({"accessKeys": [{"label": "1"}, {"label": "2", "status": "Inactive"}], "tags": {"a": "b"}})
        project.up()
        # Attached by hand: must not hold up the end.
        iam = aws_client(project.accounts.trusting, "iam")
        policy = iam.create_policy(
            PolicyName="by-hand",
            PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
            ),
        )["Policy"]["Arn"]
        iam.attach_role_policy(RoleName="Assume-Role-1", PolicyArn=policy)

        project.destroy()

        iam.delete_policy(PolicyArn=policy)
        for account_id in (project.accounts.trusting, project.accounts.trusted):
            client = aws_client(account_id, "iam")
            assert client.list_roles()["Roles"] == []
            assert client.list_users()["Users"] == []
            assert client.list_policies(Scope="Local")["Policies"] == []
        project.up()
        assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["Assume-Role-1"]
        keys = aws_client(project.accounts.trusted, "iam").list_access_keys(UserName="user-1")["AccessKeyMetadata"]
        assert len(keys) == 2

    def test_a_sign_in_that_changed_since_the_last_up(self, project, aws_client):
        """The engine signs in as its state recorded; with --run-program as the configuration says."""
        iam = aws_client(project.accounts.trusting, "iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": project.accounts.trusting}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        deploy = iam.create_role(RoleName="Deploy", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_role_policy(RoleName="Deploy", PolicyName="all", PolicyDocument=json.dumps(everything))
        project.configure({"trusting": {"accountId": project.accounts.trusting, "assumeRoleArn": deploy}})
        project.up()
        iam.delete_role_policy(RoleName="Deploy", PolicyName="all")
        iam.delete_role(RoleName="Deploy")
        project.configure({"trusting": {"accountId": project.accounts.trusting}})

        refused = project.run("make", "destroy", "STACK=test", check=False)
        project.pulumi("refresh", "--preview-only", "--run-program")
        project.run("make", "destroy", "STACK=test", "ARGS=--run-program")

        assert says(refused, "sign-in gone")
        assert "make destroy STACK=test ARGS=--run-program" in refused.stderr
        assert iam.list_roles()["Roles"] == []
        assert "resources" not in json.loads(project.state())["checkpoint"]["latest"]


def test_a_stopped_emulator_is_named(project, free_port):
    project.configure({"endpoint": f"http://127.0.0.1:{free_port()}"})

    assert says(project.preview(check=False), "no emulator")
