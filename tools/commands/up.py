"""`python -m tools up --stack NAME`: deploy, recover where that failed, prove the result, print the outputs."""

import argparse
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from components.iam.names import profile_name
from local.backend import deployment
from tools.cli import read_json, show
from tools.console import Exit, complain, say, sentence
from tools.environment import CHECKOUT, unattended

if TYPE_CHECKING:
    from tools.stack import Outputs

DOCUMENTS = ("terms", "readme")  # long outputs: of stacks of earlier versions, and for Pulumi Cloud
LONGEST = 100  # characters of an output that are shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--yes", action="store_true", help="ask nothing before real accounts are changed")
    parser.add_argument(
        "--wait", action="store_true", help="on real accounts, wait until refusals are final, up to two minutes"
    )


def run(options: argparse.Namespace) -> Exit:
    """Deploy, recover, prove, print, and return the exit code."""
    ThreadPoolExecutor().submit(import_module, "tools.proof.stack")  # takes 0.5 s; the engine runs meanwhile
    state = read_state(options)
    if state.get("pending_operations"):
        say(f"The last deployment of stack {options.stack} was killed. Recovering ...")
        if recovered(options) is None:
            return Exit.FAILED
        state = read_state(options)
    return prove(options) if deployed(options, state) else Exit.FAILED


def read_state(options: argparse.Namespace) -> Mapping[str, Any]:
    """Return the deployment in the state of a stack; empty before the first one."""
    # The file of an emulated stack spares a start of the CLI, 0.4 s.
    on_file = deployment(CHECKOUT, options.stack) if options.accounts.emulated else None
    return on_file or read_json(options.stack, "stack", "export").get("deployment") or {}


def deployed(options: argparse.Namespace, state: Mapping[str, Any]) -> bool:
    """Deploy, a second time where the first one failed and recovery helped; return whether it succeeded."""
    began = datetime.now(UTC)
    if deploy(options, state):
        return True
    from tools.engine import failed_at_resources  # noqa: PLC0415 - takes 0.1 s, and most deployments succeed

    left_something = failed_at_resources(options.stack, since=began)
    return left_something and bool(recovered(options)) and deploy(options, read_state(options))


def deploy(options: argparse.Namespace, state: Mapping[str, Any]) -> bool:
    """Run ``pulumi up`` in front of the user, and return whether it succeeded."""
    flags = unattended(options.arguments, options.accounts, yes=options.yes)
    failed = any(resource.get("initErrors") for resource in state.get("resources") or ())
    if failed:
        say(
            "The last update of a resource failed, so this one refreshes the state first: otherwise Pulumi may report "
            "an update without making it (https://github.com/pulumi/pulumi/issues/21458)."
        )
    if failed or (flags and options.accounts.lost):
        flags.append("--refresh")
    return show(options.stack, "up", *flags, "--suppress-outputs", *options.arguments, interactive=True)


def recovered(options: argparse.Namespace) -> bool | None:
    """Recover what a failed or killed deployment left, and return whether to deploy again; None after a no."""
    from tools.recovery.recover import DeclinedError, recover  # noqa: PLC0415 - takes 0.5 s

    try:
        return recover(options.stack, yes=options.yes)
    except Exception as error:  # noqa: BLE001 - `sentence` raises again what is no message
        complain(f"error: {sentence(error)[0]}")
        return None if isinstance(error, DeclinedError) else False


def prove(options: argparse.Namespace) -> Exit:
    """Prove the stack, once more where recovery helped; print what its user needs, and the verdict last."""
    from tools.proof import report, stack  # noqa: PLC0415 - they were loaded while the engine ran

    proof = stack.prove_stack(options.stack, wait=options.wait)
    say(*proof.lines())
    if proof.code is Exit.FAILED:
        say(proof.summary, "Recovering ...")
        if recovered(options) and deployed(options, read_state(options)):
            proof = stack.prove_stack(options.stack, wait=options.wait)
            say(*proof.lines())
    # A proof that is not final is none for the diagram and the fleet.
    saved = bool(proof.final_at) or report.save(proof, report.proof_file(options.stack))
    if proof.outputs:
        say("", *table(proof.outputs.shown), "", *how_to_use(options.stack, proof.outputs))
    say("", proof.summary)
    code = Exit.DONE if proof.lacks_only_a_person else proof.code
    return code if saved else code or Exit.CANNOT_TELL


def table(outputs: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each output that is no document."""
    short = {name: str(value) for name, value in sorted(outputs.items()) if name not in DOCUMENTS}
    width = max(map(len, short), default=0)
    for name, value in short.items():
        yield f"    {name:<{width}}  {value[:LONGEST]}{'...' if len(value) > LONGEST else ''}"


def how_to_use(stack: str, outputs: "Outputs") -> Iterator[str]:
    """Yield the commands with which a person uses the key."""
    suffix = "" if stack == "dev" else f" STACK={stack}"
    if "user" not in outputs.managed:
        yield "The other party makes the user. It deploys its half with the settings that this prints:"
        yield f"    make -s handover{suffix}"
        return
    if outputs.aws_config is None:
        yield "No access key is active, so nobody can use the role with the user's key."
        return
    if outputs.encrypted_secret_access_key:
        yield "The key's secret is encrypted. The owner of the PGP key reads it:"
        yield f"    make -s outputs{suffix} ARGS=encryptedSecretAccessKey | base64 -d | gpg --decrypt"
    elif outputs.secret_location:
        yield "The key is kept in secretLocation. A person who may read that adds it to the profile."
    yield "Use the key:"
    yield f"    make profile{suffix}"
    yield f"    aws sts get-caller-identity --profile {profile_name(stack)}"
