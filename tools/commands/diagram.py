"""Draw a deployed relationship as a Mermaid flowchart, which GitHub and most Markdown viewers show as a picture.

Its facts are the stack's outputs and the report of the last ``make verify``. It asks AWS nothing and holds no secret.
"""

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path

from components.iam.documents import Document, listed, statements
from tools.console import Exit, say
from tools.files import write_privately
from tools.proof.report import LOCAL_FOLDER, Proof, Verdict, proof_file, read_proof
from tools.stack import Outputs, read_outputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: .local/diagram-NAME.mmd; FILE.md gets a Mermaid block"
    )
    parser.add_argument("--proof", type=Path, metavar="FILE", help="a saved report; default: .local/proof-NAME.json")


def run(options: argparse.Namespace) -> Exit:
    """Write the flowchart to a file, and print its path."""
    stack: str = options.stack
    output: Path = options.output or LOCAL_FOLDER / f"diagram-{stack}.mmd"
    last_proof = proof_file(stack)
    file: Path | None = options.proof or (last_proof if last_proof.exists() else None)
    text = draw(stack, read_outputs(stack), read_proof(file, stack) if file else None, today=datetime.now(UTC))
    write_privately(output, f"```mermaid\n{text}```\n" if output.suffix == ".md" else text)
    say(str(output))
    return Exit.DONE


def draw(stack: str, outputs: Outputs, proof: Proof | None, *, today: datetime) -> str:
    """Return the flowchart.

    Args:
        stack: name of the stack.
        outputs: the outputs of the stack.
        proof: the report of its last proof, if there is one.
        today: the date up to which the ages of keys are counted.
    """
    terms = outputs.terms
    names, boundaries = terms.policy_names, terms.permissions_boundaries
    other = "made by the other party"
    user = (
        [other]
        if terms.unmanaged == "trusted"
        else [
            f"user {outputs.user_arn}",
            f"policy {names.get('user', '')}",
            *map(_statement, statements(terms.assume_policy)),
            *(f"permissions boundary {arn}" for kind, arn in boundaries.items() if kind == "user"),
            *(_key(label, key.id, str(key.deployed), proof, today) for label, key in outputs.access_keys.items()),
        ]
    )
    role = [
        f"role {outputs.role_arn}",
        *([other] if terms.unmanaged == "trusting" else []),
        f"sessions of at most {terms.max_session_duration:,} s",
        *(f"policy {name}" for kind, name in names.items() if kind == "role"),
        *map(_statement, statements(terms.permission_policy)),
        *(f"policy {arn}" for arn in terms.managed_policies.values()),
        *(f"permissions boundary {arn}" for kind, arn in boundaries.items() if kind == "role"),
    ]
    place = f"stack {stack}" + (f" on the AWS emulator at {terms.endpoint}" if terms.endpoint else "")
    return "\n".join(
        [
            "flowchart LR",
            f"  subgraph trusted[{_label(f'trusted account {outputs.trusted_account_id}', terms.trusted_region)}]",
            f"    user({_label(*user)})",
            "  end",
            f"  subgraph trusting[{_label(f'trusting account {outputs.trusting_account_id}', terms.trusting_region)}]",
            f"    role({_label(*role)})",
            "  end",
            f"  user -->|{_label('sts:AssumeRole', *_conditions(terms.trust_policy))}| role",
            f"  proof>{_label(place, *_verdict(proof))}]",
            "",
        ]
    )


def _conditions(trust_policy: Document) -> list[str]:
    """Return the principals and conditions of a trust policy."""
    lines: list[str] = []
    for statement in statements(trust_policy):
        lines.append(f"trusts {', '.join(listed(statement['Principal']['AWS']))}")
        for operator, tests in statement.get("Condition", {}).items():
            lines.extend(f"{operator} {key} {', '.join(listed(value))}" for key, value in tests.items())
    return lines


def _statement(statement: Document) -> str:
    """Return one statement of an identity policy in a line."""
    elements = ("Action", "NotAction", "Resource", "NotResource")
    parts = {name: ", ".join(listed(statement[name])) for name in elements if name in statement}
    what = " on ".join(f"all but {part}" if name.startswith("Not") else part for name, part in parts.items())
    return f"{statement['Effect']} {what}" + (" under conditions" if statement.get("Condition") else "")


def _key(label: str, key_id: str, status: str, proof: Proof | None, today: datetime) -> str:
    """Return the status and, where the proof knows the key, the age of an access key."""
    known = [key.age(today) for key in proof.keys if key.id == key_id] if proof else []
    return f"key {label}: {key_id}, {status}, {known[0] if known else 'age not known'}"


def _verdict(proof: Proof | None) -> list[str]:
    """Return the verdict of the last proof, and its checks that are not proven."""
    if proof is None:
        return ["not proven yet: run make verify"]
    open_rows = [f"{row.verdict}: {row.check}" for row in proof.rows if row.verdict != Verdict.PROVEN]
    return [f"last proof: {proof.verdict}, {proof.when}", *open_rows]


def _label(*lines: str) -> str:
    """Return lines as a Mermaid label. Each character with a meaning in Mermaid, Markdown or HTML is an entity."""
    safe = (re.sub(r"[^A-Za-z0-9 .,:/@+=-]", lambda match: f"#{ord(match[0])};", line) for line in lines)
    return f'"{"<br/>".join(safe)}"'
