"""The package in a program of another language: YAML where that has its host, else Python that asks as YAML does."""

import json
import shutil

import yaml

from tests.conftest import ROOT

YAML_HOST = "pulumi-language-yaml"
SECRETS = {"accessKeys", "secretAccessKey", "awsConfig"}
OUTPUTS = (
    *("roleArn", "roleName", "userArn", "userName", "trustingAccountId", "trustedAccountId", "switchRoleUrl"),
    *("accessKeys", "accessKeyId", "secretAccessKey", "awsConfig", "terms"),
)
# A component that is made elsewhere, without the classes that `pulumi package add` generates for it.
PYTHON = """
import json
from pathlib import Path
import pulumi

name, properties, outputs = json.loads(Path("relationship.json").read_text())
wanted = {**properties, **dict.fromkeys(outputs)}
relationship = pulumi.ComponentResource("assume-role:index:Relationship", name, wanted, remote=True)
for output in outputs:
    pulumi.export(output, vars(relationship)[output])
"""


def yaml_host(project):
    """Return the host of YAML programs, if there is one on PATH or beside the CLI."""
    beside = (project.path / ".local/pulumi").resolve().with_name(YAML_HOST)
    return shutil.which(YAML_HOST, path=project.environment["PATH"]) or (str(beside) if beside.exists() else None)


def use_package(project, name, **properties):
    """Make the project's program one that has a relationship from the package."""
    accounts = {side: {"accountId": getattr(project.accounts, side)} for side in ("trusting", "trusted")}
    properties = {**accounts, "endpoint": project.endpoint, **properties}
    shutil.copytree(ROOT / "package", project.path / "package")
    content = {"name": "assume-role", "packages": {"assume-role": "./package"}}
    if host := yaml_host(project):
        folder = project.path / ".local/pulumi-home/plugins/language-yaml-v0.0.0"
        folder.mkdir()
        (folder / YAML_HOST).symlink_to(host)
        content["runtime"] = "yaml"
        content["resources"] = {"it": {"type": "assume-role:Relationship", "name": name, "properties": properties}}
        content["outputs"] = {output: f"${{it.{output}}}" for output in OUTPUTS}
    else:
        content["runtime"] = {"name": "python", "options": {"virtualenv": ".venv"}}
        (project.path / "relationship.json").write_text(json.dumps([name, properties, OUTPUTS]))
        (project.path / "__main__.py").write_text(PYTHON)
    (project.path / "Pulumi.yaml").write_text(yaml.safe_dump(content))


def test_a_program_of_another_language_makes_a_relationship(project, aws_client):
    example = yaml.safe_load((ROOT / "examples/yaml/Pulumi.yaml").read_text())["resources"]["audit"]["properties"]
    use_package(project, "audit", role={**example["role"], "maxSessionDuration": 7200})

    project.up()

    outputs, recorded = project.outputs(), project.recorded()
    made = aws_client(project.accounts.trusting, "iam").get_role(RoleName="Auditor")["Role"]
    assert (made["Arn"], made["MaxSessionDuration"]) == (outputs["roleArn"], 7200)
    assert outputs["terms"]["permissionPolicy"] == example["role"]["policy"]["document"]
    assert "[profile audit-test]" in outputs["awsConfig"]
    assert {name for name, value in recorded.items() if "ciphertext" in value} == SECRETS
    assert outputs["secretAccessKey"] not in project.state()
    caller = aws_client(outputs["accessKeyId"], "sts", outputs["secretAccessKey"])
    assert caller.assume_role(RoleArn=outputs["roleArn"], RoleSessionName="test")["Credentials"]


def test_a_stack_of_this_project_goes_on_in_another_language_without_a_change(standing):
    before = {**standing.recorded(), "terms": standing.terms()}
    document = json.loads((ROOT / "policies/s3-full-access.json").read_text())
    use_package(standing, "assume-role", role={"policy": {"document": document}})

    standing.up("--expect-no-changes")

    after = standing.recorded()
    assert {name: after[name] for name in OUTPUTS if name not in SECRETS} == {
        name: before[name] for name in OUTPUTS if name not in SECRETS
    }
