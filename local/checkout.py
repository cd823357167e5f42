"""Where things are: the folders of this checkout, those of its user, and what a stack's file says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import yaml

from components.iam import NAMESPACE
from components.iam.endpoints import is_emulator
from local import LocalError

PREFIX = f"{NAMESPACE}:"  # of the keys of our settings
STACK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Checkout:
    """The folders of one checkout. Everything that is made at run time lies in ``.local``, which Git ignores."""

    root: Path

    @property
    def state(self) -> Path:
        """What is made at run time; it can be deleted whenever nothing runs."""
        return self.root / ".local"

    @property
    def bin(self) -> Path:
        """First on PATH: a program that runs the chosen CLI."""
        return self.state / "bin"

    @property
    def runs(self) -> Path:
        """The file in which each run of the CLI marks and locks the byte of its process id."""
        return self.state / "running"

    @property
    def pulumi_home(self) -> Path:
        """The Pulumi home of the stacks on an emulator, so that the user's own is never changed."""
        return self.state / "pulumi-home"

    @property
    def stacks(self) -> Path:
        """The file backend of the stacks on an emulator."""
        return self.state / "stacks"

    @property
    def emulator(self) -> Path:
        """The folder of the AWS emulators."""
        return self.state / "emulator"

    def emulator_of(self, endpoint: str) -> Path:
        """Return the folder of the emulator at an endpoint: its state, its log and its process id."""
        return self.emulator / str(urlsplit(endpoint).port)

    @property
    def python(self) -> Path:
        """The Python of the checkout's virtual environment."""
        return self.root / ".venv" / "bin" / "python"

    @property
    def stack_names(self) -> list[str]:
        """The stacks that have a file here."""
        return sorted(
            file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in self.root.glob("Pulumi.*.yaml")
        )

    def endpoint(self, stack: str) -> str | None:
        """Return the emulator's URL that the file of ``stack`` names, or None where it is for real AWS.

        Emulated stacks change without confirmation. Only this function decides which stacks those are.

        Raises:
            LocalError: as ``config``.
        """
        entries = self._entries(stack)
        # The CLI reads both spellings. Where they differ, this is not for us to decide.
        spelled = [entries[key] for key in (f"{PREFIX}endpoint", "endpoint") if key in entries]
        endpoint: object = spelled[0] if spelled and spelled[0] == spelled[-1] else None
        # What is no emulator's, the program deploys to real AWS or refuses; here such a stack is real either way.
        return endpoint if is_emulator(endpoint) else None

    def config(self, stack: str) -> Mapping[str, Any]:
        """Return the project's own configuration in the file of ``stack``, by key without namespace.

        Raises:
            LocalError: as ``_entries``.
        """
        entries = self._entries(stack)
        return {key.removeprefix(PREFIX): entries[key] for key in entries if key.startswith(PREFIX) or ":" not in key}

    def _entries(self, stack: str) -> Mapping[str, Any]:
        """Return the configuration in the file of ``stack``, by key as it stands there.

        Raises:
            LocalError: this is no name of a stack, there is no such file, or it cannot be read.
        """
        if not STACK_NAME.fullmatch(stack):
            raise LocalError(
                f"{stack!r} is no name of a stack: those are made of letters, digits, _, - and ., at most 100. "
                "Give one as in: make up STACK=dev"
            )
        file = self.root / f"Pulumi.{stack}.yaml"
        try:
            content: object = yaml.safe_load(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise LocalError(
                f"There is no {file.name}, so stack {stack} is not configured here. Configured are: "
                f"{', '.join(self.stack_names)}. Make a new one as the README says: pulumi stack init {stack}"
            ) from None
        except Exception as error:  # noqa: BLE001 - PyYAML lets out what it stumbles over, as the date 2026-13-01
            raise LocalError(f"{file.name} cannot be read: {' '.join(str(error).split())}. Correct it.") from None
        config = cast("dict[str, Any]", content).get("config") if isinstance(content, dict) else None
        entries = cast("dict[object, Any]", config) if isinstance(config, dict) else {}
        return {str(key): value for key, value in entries.items()}


def user_pulumi_home(environment: Mapping[str, str]) -> Path:
    """Return the Pulumi home of the user: where the CLI itself looks, and where builds and downloads are kept."""
    return Path(environment.get("PULUMI_HOME") or "~/.pulumi").expanduser().absolute()
