"""The environment in which plain ``pulumi`` works on a stack that has an ``endpoint``: its parts, put together."""

import os
import re
from collections.abc import Mapping

from local.backend import make_stack, recover, state_file, was_elsewhere
from local.checkout import Checkout, user_pulumi_home
from local.cli import NO_DOWNLOADS, find_cli
from local.console import say
from local.emulator import ensure_running, started
from local.launchers import CHOICE, IGNORE_PATH, STAND_IN, place_aws_plugin, place_cli, place_language_host
from local.locks import setting_up

NO_PROXY = ("no_proxy", "NO_PROXY")  # some programs read the one, some the other
USERS = "USERS_"  # before the names of the user's own variables, for `make profile` and commands inside `make shell`
# The emulator needs nothing of these files, and a fault in one stops every AWS client.
AWS_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
# What would choose another stack, folder, configuration or module than this checkout's.
DROPPED = re.compile(r"PULUMI_(STACK|CONFIG|CONFIG_PASSPHRASE_FILE|OPTION_\w+)|PYTHON(PATH|HOME)")


def additions(checkout: Checkout, user: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make plain ``pulumi`` work on the stacks of this checkout, beside the user's own."""
    own = [str(checkout.bin), str(checkout.python.parent)]
    others = [folder for folder in user.get("PATH", os.defpath).split(os.pathsep) if folder not in own]
    # The engine, its plugins and the program talk over loopback, and gRPC would ask the proxy for that too.
    direct = ",".join([*(user[name] for name in NO_PROXY if user.get(name)), "localhost,127.0.0.1,::1"])
    return {
        **dict.fromkeys(NO_PROXY, ",".join(dict.fromkeys(direct.split(",")))),
        **({IGNORE_PATH: "true"} if user.get(CHOICE) == STAND_IN else {}),
        **{f"{USERS}{name}": user.get(name, "") for name in ("PULUMI_HOME", *AWS_FILES)},
        **dict.fromkeys(AWS_FILES, os.devnull),
        "PATH": os.pathsep.join([*own, *others]),
        "PULUMI_HOME": str(checkout.pulumi_home),
        # Without the file that the backend writes beside each file: a run killed in between leaves one that stops it.
        "PULUMI_BACKEND_URL": f"file://{checkout.stacks}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": "",  # nothing on an emulator needs protection
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_SELF_MANAGED_STATE_GZIP": "false",  # the tools read the state, under one name
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",  # everything here is made again in seconds
        # A command of the CLI ends before its memory needs collecting, and that took a quarter of its time.
        "GOGC": "off",
        "GOMEMLIMIT": "500MiB",
        NO_DOWNLOADS: "true",  # the plugins are in place; the engine must not look for others
    }


def prepare(checkout: Checkout, stack: str, endpoint: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """Make CLI, plugins, the emulator at ``endpoint`` and the stack itself ready; return the environment for it.

    Raises:
        LocalError: something is missing or in the way.
    """
    user = {name: value for name, value in inherited.items() if not DROPPED.fullmatch(name)}
    user |= {name: users_own(user, name) for name in AWS_FILES}
    if user_pulumi_home(user).resolve() == checkout.pulumi_home.resolve():  # in `make shell`
        user["PULUMI_HOME"] = user.get(f"{USERS}PULUMI_HOME", "")
    with setting_up(checkout):
        cli = find_cli(checkout, user)
        place_cli(checkout, cli)
        place_language_host(checkout, cli, user)
        place_aws_plugin(checkout, user)
        ensure_running(checkout, endpoint)
        # A profile that signs in or another endpoint is for real AWS and must not reach calls to the emulator.
        kept = {name: value for name, value in user.items() if not name.startswith("AWS_")}
        environment = kept | additions(checkout, user)
        recover(checkout, stack)
        make_stack(checkout, stack, environment)
        if was_elsewhere(checkout, stack, endpoint):
            say(f"Stack {stack} was deployed to another endpoint: asking {endpoint} instead.")
            environment["PULUMI_RUN_PROGRAM"] = "true"
    return environment


def users_own(environment: Mapping[str, str], name: str) -> str:
    """Return what the user set one of AWS_FILES to, in the user's own environment or in a prepared one; else ""."""
    value = environment.get(name, "")
    return environment.get(f"{USERS}{name}", value) if value == os.devnull else value


def may_have_lost(checkout: Checkout, stack: str, endpoint: str) -> bool:
    """Return whether the AWS emulator was started since the stack's state was written: what that holds may be lost.

    It may also be where nobody can tell: a state that was written elsewhere can have another name, as ``dev.json.gz``.
    """
    state = state_file(checkout, stack)
    return not state.exists() or started(checkout, endpoint) > state.stat().st_mtime
