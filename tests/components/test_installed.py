"""`assume_role` as another program has it: installed from a clone, imported lazily, checked by two type checkers."""

import re
import shutil
import subprocess
import sys
import sysconfig

import pytest

from tests.conftest import ROOT

# Both type checkers would spend a minute on all of AWS.
MYPY = "[mypy]\nstrict = true\n[mypy-pulumi_aws.*]\nfollow_imports = skip\n"
EXAMPLES = ("new", "two-relationships", "vendor", "customer")
PROGRAMS = ("program.py", *(f"{name}.py" for name in EXAMPLES))
MORE = """
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::records/*"}
from assume_role import (
    AccessKeyArgs, KeyStatus, PolicyArgs, StoreArgs, StoreKind, TrustArgs, TrustedUser, TrustedUserArgs, UserArgs,
)

POLICY = PolicyArgs(name="Read", document={"Version": "2012-10-17", "Statement": [READ]})
user = TrustedUser(
    "alone",
    TrustedUserArgs(
        account=AccountArgs(account_id="444455556666"),
        role_arn="arn:aws:iam::111122223333:role/Auditor",
        user=UserArgs(name="alice"),
        access_keys=[AccessKeyArgs(label="1", status=KeyStatus.INACTIVE)],
    ),
    pulumi.ResourceOptions(parent=audit),
)
store = StoreArgs(kind=StoreKind.PARAMETER_STORE, name="/key")
trust = TrustArgs(external_id="relationship-7", source_ips=["203.0.113.0/24"])
role = RoleArgs(policy=POLICY, max_session_duration=7200, managed_policies={})
arn: pulumi.Output[str] = user.user_arn
key_id: pulumi.Output[str] | None = audit.access_key_id
"""


@pytest.fixture(scope="module")
def consumer(tmp_path_factory):
    """Return the folder of a program beside a virtual environment where the package is installed."""
    folder = tmp_path_factory.mktemp("consumer")
    clone, venv = folder / "clone", folder / "venv"
    shutil.copytree(ROOT / "components", clone / "components", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, clone / name)
    tools = ROOT / ".venv/bin"
    build = [tools / "uv", "build", "--offline", "--wheel", "--no-build-isolation", "--python", tools / "python"]
    run(folder, *build, "--out-dir", folder, clone)
    run(folder, sys.executable, "-m", "venv", "--without-pip", venv)
    (wheel,) = folder.glob("assume_role-*.whl")
    packages = next(venv.glob("lib/python*/site-packages"))
    run(folder, tools / "uv", "pip", "install", "--offline", "--no-deps", "--python", venv / "bin/python", wheel)
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example
    (folder / "program.py").write_text(example[1] + MORE)
    for name in EXAMPLES:
        shutil.copy2(ROOT / f"examples/{name}/__main__.py", folder / f"{name}.py")
    (folder / "mypy.ini").write_text(MYPY)
    return folder


def run(folder, *command):
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_the_package_its_types_and_its_licence(consumer):
    (metadata,) = consumer.glob("venv/lib/python*/site-packages/assume_role-*.dist-info/METADATA")
    package = metadata.parent.parent / "assume_role"
    modules = {file.relative_to(ROOT / "components") for file in (ROOT / "components").rglob("*.py")}
    assert {file.relative_to(package) for file in package.rglob("*.py")} == modules
    assert (package / "py.typed").exists()
    assert (metadata.parent / "licenses/LICENSE").exists()
    text = metadata.read_text()
    assert "License-Expression: Apache-2.0" in text
    assert set(re.findall(r"Requires-Dist: ([\w-]+)", text)) == {"pulumi", "pulumi-aws", "pydantic", "pysequoia"}


def test_every_public_name_is_there_and_loads_pulumi_on_first_use(consumer):
    code = (
        "import sys, assume_role, assume_role.iam.owner\n"
        "print('pulumi' in sys.modules, 'pydantic' in sys.modules)\n"
        "for name in assume_role.__all__: assert getattr(assume_role, name).__module__.startswith('assume_role.')\n"
    )
    assert run(consumer, "venv/bin/python", "-c", code) == "False False\n"


def test_mypy_finds_no_error_in_a_program_that_uses_it(consumer):
    mypy = [ROOT / ".venv/bin/mypy", "--config-file", "mypy.ini", "--python-executable", "venv/bin/python"]
    run(consumer, *mypy, *PROGRAMS)


def test_pyright_finds_no_error_in_a_program_that_uses_it(consumer):
    run(consumer, ROOT / ".venv/bin/basedpyright", "--level", "error", "--pythonpath", "venv/bin/python", *PROGRAMS)
