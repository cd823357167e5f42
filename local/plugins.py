"""The engine's plugins for stacks on an emulator, put where the engine looks: in the checkout's own Pulumi home."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from local.checkout import Checkout, user_pulumi_home
from local.cli import can_download
from local.console import say

LANGUAGE_HOST = "pulumi-language-python"
LANGUAGE_HOST_VERSION = "0.0.0"  # the engine wants one in the name of the folder, and only shows it


def place_language_host(checkout: Checkout, cli: Path, environment: Mapping[str, str]) -> None:
    """Put the stand-in where the engine finds it, unless the CLI comes with the official one or PATH has it."""
    folder = checkout.pulumi_home / "plugins" / f"language-python-v{LANGUAGE_HOST_VERSION}"
    if cli.resolve().with_name(LANGUAGE_HOST).exists() or shutil.which(LANGUAGE_HOST, path=environment.get("PATH")):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        _write_launcher(folder / LANGUAGE_HOST, checkout, "local.language_host")


def place_aws_plugin(checkout: Checkout, cli: Path, environment: Mapping[str, str]) -> None:
    """Put the official plugin there, if it is installed or can be; else the stand-in."""
    name = f"resource-aws-v{version('pulumi-aws')}"
    folder = checkout.pulumi_home / "plugins" / name
    installed = user_pulumi_home(environment) / "plugins" / name
    launcher = folder / "pulumi-resource-aws"
    if folder.is_symlink() and not folder.exists():
        folder.unlink()  # the user removed the plugin that it led to
    if launcher.exists() and not _is_launcher(launcher):
        return  # the official one
    if (installed / "pulumi-resource-aws").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(installed)
        return
    # The stand-in stays once it is there, so that only the first command asks the download site.
    if launcher.exists() or not (can_download(environment) and _install(checkout, cli, environment)):
        _write_launcher(launcher, checkout, "local.aws_plugin")


def _install(checkout: Checkout, cli: Path, environment: Mapping[str, str]) -> bool:
    say("Installing the official AWS plugin (a few hundred megabytes, once) ...")
    command = [str(cli), "plugin", "install", "resource", "aws", version("pulumi-aws")]
    done = subprocess.run(
        command,
        env={**environment, "PULUMI_HOME": str(checkout.pulumi_home), "PULUMI_SKIP_UPDATE_CHECK": "true"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        say("It could not be installed (see above); using the stand-in.")
    return done.returncode == 0


def _is_launcher(file: Path) -> bool:
    try:
        return file.read_bytes()[:2] == b"#!"
    except OSError:
        return False


def _write_launcher(file: Path, checkout: Checkout, module: str) -> None:
    """Write a program that runs ``module`` of this checkout, whatever folder and environment the engine gives it."""
    text = (
        "#!/bin/sh\n"
        f"PYTHONPATH={shlex.quote(str(checkout.root))} PYTHONSAFEPATH=1 "
        f'exec {shlex.quote(str(checkout.python))} -m {module} "$@"\n'
    )
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.chmod(0o755)
    unfinished.replace(file)
