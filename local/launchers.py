"""The engine's plugins for stacks on an emulator, put where the engine looks: in the checkout's own Pulumi home.

It looks on PATH first, then beside the CLI (language hosts only), then there, and there in real folders only.
"""

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from local import LocalError
from local.checkout import Checkout, user_pulumi_home

CHOICE = "PLUGIN"  # of the AWS plugin, in the environment; without one, the official plugin where it can be had
STAND_IN, OFFICIAL = "stand-in", "official"
IGNORE_PATH = "PULUMI_IGNORE_AMBIENT_PLUGINS"  # the engine's own switch
AWS_PLUGIN = "pulumi-resource-aws"
LANGUAGE_HOST = "pulumi-language-python"
LANGUAGE_HOST_VERSION = "0.0.0"  # the engine wants one in the name of the folder, and only shows it


def place_cli(checkout: Checkout, cli: Path) -> None:
    """Put `pulumi` first on PATH: the CLI, with a record of each run (see `recorded_cli`)."""
    chosen, program = checkout.state / "pulumi", Path(__file__).with_name("recorded_cli.py")
    link(chosen, cli)
    command = shlex.join(map(str, [checkout.python, "-I", "-S", program, checkout.runs, chosen]))
    _write_program(checkout.bin / "pulumi", f'exec {command} "$@"')


def place_language_host(checkout: Checkout, cli: Path, environment: Mapping[str, str]) -> None:
    """Put the stand-in where the engine finds it, unless the CLI comes with the official one or PATH has it."""
    folder = checkout.pulumi_home / "plugins" / f"language-python-v{LANGUAGE_HOST_VERSION}"
    if cli.resolve().with_name(LANGUAGE_HOST).exists() or _is_on_path(LANGUAGE_HOST, environment):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        _write_launcher(folder / LANGUAGE_HOST, checkout, "local.plugins.language_host")


def place_aws_plugin(checkout: Checkout, environment: Mapping[str, str]) -> None:
    """Put the official plugin there, if the user has it; else the stand-in.

    Raises:
        LocalError: the environment's choice is none of the two, or the official plugin, which is not installed.
    """
    choice, name = environment.get(CHOICE, ""), f"resource-aws-v{version('pulumi-aws')}"
    if choice not in ("", STAND_IN, OFFICIAL):
        raise LocalError(f"{CHOICE} is {choice!r}, and there are two AWS plugins: {STAND_IN} and {OFFICIAL}.")
    placed = checkout.pulumi_home / "plugins" / name / AWS_PLUGIN
    if choice != STAND_IN:
        if _is_on_path(AWS_PLUGIN, environment):
            return  # the engine takes that one, and says so
        if placed.is_file() and not placed.is_symlink() and not _is_stand_in(placed):
            return  # the user put the official one there
        installed = user_pulumi_home(environment) / "plugins" / name / AWS_PLUGIN
        # The engine keeps a mark beside the folder of a plugin until it is whole.
        if installed.exists() and not installed.parent.with_name(f"{name}.partial").exists():
            link(placed, installed)
            return
        if choice == OFFICIAL:
            raise LocalError(
                f"{CHOICE} is {OFFICIAL}, and the official AWS plugin is neither on PATH nor at {installed}. "
                f"Install it: pulumi plugin install resource aws {version('pulumi-aws')}"
            )
    _write_launcher(placed, checkout, "local.plugins.aws")


def link(place: Path, target: Path) -> None:
    """Make ``place`` a link to ``target``, whatever was there."""
    if place.is_symlink() and place.readlink() == target:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def _is_on_path(name: str, environment: Mapping[str, str]) -> bool:
    """Return whether the engine finds the plugin on PATH."""
    ignored = environment.get(CHOICE) == STAND_IN or environment.get(IGNORE_PATH, "").lower() in ("1", "true")
    return not ignored and shutil.which(name, path=environment.get("PATH")) is not None


def _is_stand_in(file: Path) -> bool:
    """Return whether the file is a launcher of ours, of whatever version: an official plugin can be a script too."""
    return re.search(rb' -m local\.[a-z_.]+ "\$@"\n\Z', file.read_bytes()) is not None


def _write_launcher(file: Path, checkout: Checkout, module: str) -> None:
    """Write a program that runs ``module`` of this checkout, whatever folder and environment the engine gives it."""
    path, python = shlex.quote(str(checkout.root)), shlex.quote(str(checkout.python))
    _write_program(file, f'PYTHONPATH={path} PYTHONSAFEPATH=1 exec {python} -m {module} "$@"')


def _write_program(file: Path, command: str) -> None:
    text = f"#!/bin/sh\n{command}\n"
    if not file.is_symlink() and file.exists() and file.read_bytes() == text.encode():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.chmod(0o755)
    unfinished.replace(file)
