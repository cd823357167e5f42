"""Draw a deployed relationship as an SVG picture: who may do what where, under which conditions, and what proves it.

What is deployed comes from the stack's outputs, the age and last use of its keys and the proof from the report that
``python -m tools verify --save`` wrote. AWS is not asked. The picture holds no secret.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from components.iam.documents import Document
from components.iam.limits import MAX_ACCESS_KEY_DAYS, MAX_ACCESS_KEYS
from tools import svg
from tools.console import say
from tools.errors import Exit, FailedError
from tools.files import real_path
from tools.proof.case import Verdict
from tools.proof.saved import LOCAL_FOLDER, Proof, proof_file, read_proof
from tools.stack import Outputs, read_outputs
from tools.svg import CODE, MINOR, NAME, NOTE, SMALL_CODE, Card, Panel, Text
from tools.wording import conditions, duration, principals, sentences

# GitHub shows a README about 1000 pixels wide.
WIDTH: Final = 1000
MARGIN: Final = 24
GUTTER: Final = 172  # between the two accounts; the arrow is in it
PANEL: Final = (WIDTH - 2 * MARGIN - GUTTER) / 2
PANEL_TOP: Final = 100
ARROW_TOP: Final = PANEL_TOP + 110
PROOF_GAP: Final = 16
LABEL_WIDTH: Final = 92
DOT_WIDTH: Final = 16
MAX_ROWS: Final = 4  # of a policy's sentences, and of checks that failed

TONES: Final[dict[str, svg.Tone]] = {Verdict.PROVEN: "good", Verdict.DISPROVEN: "bad", Verdict.NOT_CHECKED: "muted"}


# What the picture says


def user_panel(outputs: Outputs, proof: Proof | None, today: datetime) -> Panel:
    """Return the trusted account, with its user."""
    terms, names = outputs.terms, outputs.terms.policy_names or {}
    cards = [
        Card("person", "User", _named(outputs.user_name, outputs.user_arn)),
        Card("page", "Policy of the user", _policy(names.get("user"), terms.assume_policy)),
        keys_card(outputs, proof, today),
    ]
    return Panel("TRUSTED ACCOUNT", outputs.trusted_account_id, terms.trusted_region, cards)


def role_panel(outputs: Outputs) -> Panel:
    """Return the trusting account, with its role."""
    terms, names = outputs.terms, outputs.terms.policy_names or {}
    session = Text(f"sessions of at most {duration(terms.max_session_duration)}", NOTE, tone="muted")
    facts = [*(("lets in", name) for name in principals(terms.trust_policy)), *conditions(terms.trust_policy)]
    managed = [Text(f"and all of {arn}", SMALL_CODE, lines=3, tone="muted") for arn in terms.managed_policies.values()]
    cards = [
        Card("shield", "Role", [*_named(outputs.role_name, outputs.role_arn), session]),
        Card("lock", "Trust policy", [_fact(words, value) for words, value in facts]),
        Card("page", "Policy of the role", [*_policy(names.get("role"), terms.permission_policy), *managed]),
    ]
    return Panel("TRUSTING ACCOUNT", outputs.trusting_account_id, terms.trusting_region, cards)


def _named(name: str, arn: str) -> list[Text]:
    return [Text(name, NAME), Text(arn, SMALL_CODE, tone="muted")]


def _fact(words: str, value: str) -> Text:
    if len(words) * NOTE.advance > LABEL_WIDTH:  # a condition key that has no words of its own
        return Text(f"{words}: {value}", CODE)
    return Text(value, CODE, indent=LABEL_WIDTH, label=words)


def _policy(name: str | None, document: Document) -> list[Text]:
    said = sentences(document)
    rest = said[MAX_ROWS:]
    return [
        *([Text(name, CODE)] if name else []),  # a stack that was deployed before does not tell it
        *(Text(sentence, SMALL_CODE, lines=3, tone="muted") for sentence in said[:MAX_ROWS]),
        *([Text(f"and {len(rest)} more: {'; '.join(rest)}", SMALL_CODE, lines=1, tone="muted")] if rest else []),
    ]


def keys_card(outputs: Outputs, proof: Proof | None, today: datetime) -> Card:
    """Return the card of the user's keys; their ages are of today, their last uses of the proof."""
    texts: list[Text] = []
    for label, key in outputs.access_keys.items():
        name, tone = f"key {label}: {key.id}, {key.deployed}", "good" if key.deployed == "Active" else "muted"
        texts.append(Text(name, CODE, lines=3, tone=tone, indent=DOT_WIDTH, dotted=True, gap=8 if texts else 0))
        days, history = key_history(key.id, proof, today)
        texts += [Text(words, MINOR, tone="muted", indent=DOT_WIDTH) for words in history]
        if days > MAX_ACCESS_KEY_DAYS:
            warning = f"older than {MAX_ACCESS_KEY_DAYS} days: rotate it"
            texts.append(Text(warning, MINOR, tone="warn", indent=DOT_WIDTH))
    heading = f"Access keys, {len(outputs.access_keys)} of {MAX_ACCESS_KEYS}, on {today:%Y-%m-%d}"
    return Card("key", heading, texts or [Text("none", NOTE, tone="muted")])


def key_history(key_id: str, proof: Proof | None, today: datetime) -> tuple[int, list[str]]:
    """Return a key's age in whole days, 0 where no proof tells it, and when it was made and last used, in words."""
    key = next((key for key in proof.keys if key.id == key_id), None) if proof else None
    if proof is None or key is None or key.created is None:
        return 0, ["age unknown"]
    days = max((today - key.created).days, 0)
    used = f"last used {key.last_used:%Y-%m-%d}" if key.last_used else f"no use recorded by {proof.time:%Y-%m-%d}"
    return days, [f"made {key.created:%Y-%m-%d}, {days} {'day' if days == 1 else 'days'} old", used]


def proof_card(proof: Proof | None) -> Card:
    """Return the card of the last proof."""
    if proof is None:
        return Card("tick", "Last proof", [Text("not proven yet: run make verify", NOTE, tone="muted")])
    open_rows = [row for row in proof.rows if row.verdict != Verdict.PROVEN]
    summary = f"{proof.verdict}, {len(proof.rows) - len(open_rows)} of {len(proof.rows)} checks passed"
    texts = [Text(summary, NAME, tone=TONES.get(proof.verdict, "warn"))]
    for row in open_rows[:MAX_ROWS]:
        expected = f" (expected: {row.expected})" if row.expected else ""
        tone = TONES.get(row.verdict, "warn")
        texts.append(Text(f"{row.verdict}: {row.check}{expected}", CODE, lines=1, tone=tone))
    return Card("tick", f"Last proof, {proof.when}", texts)


def description(outputs: Outputs, proof: Proof | None, today: datetime) -> str:
    """Return the picture in words, for those who cannot see it."""
    terms = outputs.terms
    needed = "; ".join(f"{words} {value}" for words, value in conditions(terms.trust_policy))
    allowed = [*sentences(terms.permission_policy), *(f"and all of {arn}" for arn in terms.managed_policies.values())]
    keys = "; ".join(
        f"key {label} {key.id} {key.deployed}, {', '.join(key_history(key.id, proof, today)[1])}"
        for label, key in outputs.access_keys.items()
    )
    return (
        f"The user {outputs.user_name} of account {outputs.trusted_account_id} may assume the role "
        f"{outputs.role_name} of account {outputs.trusting_account_id}, "
        f"for at most {duration(terms.max_session_duration)}. Conditions: {needed or 'none'}. "
        f"The role {'; '.join(allowed)}. Access keys: {keys or 'none'}. "
        f"Last proof: {f'{proof.verdict} on {proof.when}' if proof else 'none yet'}."
    )


def draw(stack: str, outputs: Outputs, proof: Proof | None, *, today: datetime) -> str:
    """Return the picture, as the text of an SVG file.

    Args:
        stack: name of the stack.
        outputs: what it exports.
        proof: the report of its last proof, if there is one.
        today: the moment up to which the ages of keys are counted.
    """
    endpoint = outputs.terms.endpoint
    place = f"stack {stack}, on an AWS emulator at {endpoint}" if endpoint else f"stack {stack}"
    left, right, below = user_panel(outputs, proof, today), role_panel(outputs), proof_card(proof)
    height, far, whole_width = max(left.height(PANEL), right.height(PANEL)), MARGIN + PANEL + GUTTER, WIDTH - 2 * MARGIN
    proof_top = PANEL_TOP + height + PROOF_GAP
    elements = [
        svg.line(MARGIN, 46, "sans title text", "Who may assume which role"),
        *Text(place, CODE, tone="muted", lines=1).draw(MARGIN, 56, whole_width),
        *left.draw(MARGIN, PANEL_TOP, PANEL, height),
        *right.draw(far, PANEL_TOP, PANEL, height),
        *svg.arrow(
            *(MARGIN + PANEL - svg.PADDING, far + svg.PADDING, ARROW_TOP),
            text="sts:AssumeRole",
            notes=[f"checks {words}" for words, _ in conditions(outputs.terms.trust_policy)],
            width=GUTTER - 12,
        ),
        *below.draw(MARGIN, proof_top, whole_width),
    ]
    return svg.picture(
        elements,
        width=WIDTH,
        height=proof_top + below.height(whole_width) + MARGIN,
        title=f"Assume-role relationship of {place}",
        description=description(outputs, proof, today),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what this command takes beside the stack."""
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: .local/diagram-NAME.svg")
    parser.add_argument("--proof", type=Path, metavar="FILE", help="a saved report; default: .local/proof-NAME.json")


def run(options: argparse.Namespace) -> int:
    """Draw the stack and print the path of the picture."""
    stack: str = options.stack
    output: Path = options.output or LOCAL_FOLDER / f"diagram-{stack}.svg"
    last_proof = proof_file(stack)
    file: Path | None = options.proof or (last_proof if last_proof.exists() else None)
    proof = read_proof(file, stack) if file else None
    drawing = draw(stack, read_outputs(stack), proof, today=datetime.now(UTC))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        real_path(output).write_text(drawing, encoding="utf-8")
    except OSError as error:
        reason = f"Cannot write the picture to {output}: {error.strerror}. Name another file with --output"
        raise FailedError(reason) from None
    say(str(output))
    return Exit.DONE
