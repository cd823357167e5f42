"""Draw a deployed relationship as an SVG picture: who may do what where, under which conditions, and what proves it.

``python -m tools.diagram --stack dev`` writes ``.local/diagram-dev.svg``. What is deployed comes from the stack, the
age and last use of the keys from AWS, the proof from the file that ``python -m tools.verify --json`` wrote. The
picture holds no secret.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, ValidationError

from iam.documents import statements
from iam.limits import MAX_ACCESS_KEY_DAYS
from tools.aws import administrator_session, client_config
from tools.files import read, real_path
from tools.keys import last_used, list_keys
from tools.proof import Verdict
from tools.stack import Outputs, StackError, pulumi, read_config, read_outputs

LOCAL_FOLDER = Path(__file__).parent.parent / ".local"
MAX_ACCESS_KEYS = 2  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html

SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600


# What the picture shows


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy, and what it says in words."""

    name: str
    document: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Key:
    """An access key without its secret."""

    label: str
    id: str
    status: str
    made: datetime | None = None  # None: AWS was not asked, or did not say
    used: datetime | None = None  # None with a `made`: no use on record


class ProofRow(BaseModel):
    """One check of a proof."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    check: str
    verdict: str
    expected: str = ""


class Proof(BaseModel):
    """What ``python -m tools.verify --json`` found out."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    stack: str
    time: str
    verdict: str
    rows: tuple[ProofRow, ...]


@dataclass(frozen=True, kw_only=True)
class Relationship:
    """All that the picture shows."""

    stack: str
    partition: str
    endpoint: str | None  # the emulator that stands in for AWS, if one does
    trusting_id: str
    trusting_region: str
    role_name: str
    role_arn: str
    role_policy: Policy
    managed_policies: tuple[str, ...]  # ARNs of further policies of the role
    trust_policy: Mapping[str, Any]
    max_session: int  # seconds
    trusted_id: str
    trusted_region: str
    user_name: str
    user_arn: str
    user_policy: Policy
    keys: tuple[Key, ...]
    today: datetime  # ages are counted up to it
    proof: Proof | None = None


def relationship(
    stack: str,
    outputs: Outputs,
    policy_names: Mapping[str, str],
    key_facts: Mapping[str, tuple[datetime, datetime | None]],
    *,
    today: datetime,
    proof: Proof | None = None,
) -> Relationship:
    """Return what the picture shows; from here on there is no secret.

    Args:
        stack: name of the stack.
        outputs: what it exports.
        policy_names: the names of its policies, by ARN of the account they are in.
        key_facts: when each access key was made and last used, by key id; empty where AWS could not be asked.
        today: the moment up to which ages are counted.
        proof: what the last verification found, if there was one.
    """
    terms = outputs.terms
    return Relationship(
        stack=stack,
        partition=terms.partition,
        endpoint=terms.endpoint,
        trusting_id=outputs.trusting_account_id,
        trusting_region=terms.trusting_region,
        role_name=outputs.role_name,
        role_arn=outputs.role_arn,
        role_policy=Policy(
            name=policy_names.get(outputs.trusting_account_id, "(unnamed)"), document=terms.permission_policy
        ),
        managed_policies=tuple(terms.managed_policies.values()),
        trust_policy=terms.trust_policy,
        max_session=terms.max_session_duration,
        trusted_id=outputs.trusted_account_id,
        trusted_region=terms.trusted_region,
        user_name=outputs.user_name,
        user_arn=outputs.user_arn,
        user_policy=Policy(
            name=policy_names.get(outputs.trusted_account_id, "(unnamed)"), document=terms.assume_policy
        ),
        keys=tuple(
            Key(
                label=label,
                id=key.id,
                status=key.status,
                made=key_facts[key.id][0] if key.id in key_facts else None,
                used=key_facts[key.id][1] if key.id in key_facts else None,
            )
            for label, key in outputs.access_keys.items()
        ),
        today=today,
        proof=proof,
    )


# Words


def listed(value: object) -> list[str]:
    """Return the items of a policy element, which may be one text or a list of them."""
    return [str(item) for item in cast("list[object]", value)] if isinstance(value, list) else [str(value)]


def reading(document: Mapping[str, Any]) -> list[str]:
    """Return what an identity policy says, a sentence for each statement."""
    return [_sentence(statement) for statement in statements(document)]


def _sentence(statement: Mapping[str, Any]) -> str:
    verb = "may not use" if statement.get("Effect") == "Deny" else "may use"
    if "NotAction" in statement:
        actions = f"everything except {', '.join(listed(statement['NotAction']))}"
    else:
        actions = ", ".join(map(_action, listed(statement.get("Action", []))))
    if "NotResource" in statement:
        resources = f"everything except {', '.join(listed(statement['NotResource']))}"
    else:
        named = listed(statement.get("Resource", []))
        resources = "every resource" if named == ["*"] else ", ".join(named)
    conditions = ", under conditions" if statement.get("Condition") else ""
    return f"{verb} {actions} on {resources}{conditions}"


def _action(action: str) -> str:
    if action == "*":
        return "every action of every service"
    service, _, name = action.partition(":")
    return f"every action of {service}" if name == "*" else action


CONDITION_WORDS = {
    "sts:externalid": "external id",
    "aws:multifactorauthpresent": "MFA",
    "aws:multifactorauthage": "MFA age",
    "aws:principalarn": "principals",
    "aws:principalorgid": "organization",
    "aws:sourceip": "source IPs",
}


def conditions(trust_policy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the conditions of a trust policy as pairs of what must hold and its value."""
    return [
        _condition(key, value)
        for statement in statements(trust_policy)
        for comparisons in cast("Mapping[str, Mapping[str, object]]", statement.get("Condition", {})).values()
        for key, value in comparisons.items()
    ]


def _condition(key: str, value: object) -> tuple[str, str]:
    words = CONDITION_WORDS.get(key.lower(), key)
    text = ", ".join(listed(value))
    if words == "MFA":
        return words, "required" if text.lower() == "true" else f"must be {text}"
    if words == "MFA age":
        return words, f"at most {duration(int(text))}" if text.isdigit() else text
    return words, text


def principals(trust_policy: Mapping[str, Any]) -> list[str]:
    """Return whom a trust policy names, an account's root as the account."""
    named: list[str] = []
    for statement in statements(trust_policy):
        principal: object = statement.get("Principal", "*")
        entries = cast("dict[str, object]", principal).values() if isinstance(principal, dict) else [principal]
        named.extend(arn for entry in entries for arn in listed(entry))
    return [re.sub(r"^arn:[^:]+:iam::(\d{12}):root$", r"account \1", arn) for arn in named]


def duration(seconds: int) -> str:
    """Return a length of time in words: ``1 h``, ``1 h 30 min``, ``45 s``."""
    hours, rest = divmod(seconds, SECONDS_PER_HOUR)
    minutes, left = divmod(rest, SECONDS_PER_MINUTE)
    parts = [(hours, "h"), (minutes, "min"), (left, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def age_days(key: Key, today: datetime) -> int | None:
    """Return a key's age in whole days, or None where AWS could not be asked."""
    return None if key.made is None else max((today - key.made).days, 0)


def key_history(key: Key, today: datetime) -> str:
    """Return when a key was made and last used, in words."""
    days = age_days(key, today)
    if key.made is None or days is None:
        return "age unknown"
    used = f"last used {key.used:%Y-%m-%d}" if key.used else "no use recorded"
    return f"made {key.made:%Y-%m-%d}, {days} {'day' if days == 1 else 'days'} old, {used}"


# Text that fits


class Style(NamedTuple):
    """How a line of text looks, and how much room it takes, in the picture's units."""

    css: str
    advance: float  # of one character; of a proportional font, a wide average
    leading: float  # from this line's base to the next


# Whatever comes from the stack is set in a fixed pitch, so that its width is known and it stays in its box; words of
# our own are proportional. Advances hold for the widest of the usual system fonts.
NAME = Style("mono name", 8.5, 20)
CODE = Style("mono code", 7.3, 18)
SMALL_CODE = Style("mono small", 6.7, 17)
NOTE = Style("sans note", 6.9, 17)
MINOR = Style("sans minor", 6.1, 16)


Tone: TypeAlias = Literal["text", "muted", "good", "warn", "bad", "accent"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of text in a card."""

    text: str
    style: Style
    tone: Tone = "text"
    indent: float = 0
    label: str = ""  # what the text is, to the left of the indent
    dot: bool = False  # a dot in the line's tone to the left of the indent
    whole: str = ""  # the full text, where the line shows less: a tooltip
    gap: float = 0  # extra room above


ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
BREAKS = " ,/:-_"  # a line may end after any of these


def wrapped(text: str, columns: int, lines: int) -> list[str]:
    """Break a text into at most ``lines`` lines of at most ``columns`` characters; more ends in an ellipsis.

    Breaks come after a separator where the last half of a line has one, else anywhere: names, ARNs and external ids
    often have none.
    """
    rows: list[str] = []
    rest = text.strip()
    while rest and len(rows) < lines:
        if len(rest) <= columns:
            return [*rows, rest]
        if len(rows) == lines - 1:
            return [*rows, rest[: columns - 1].rstrip() + ELLIPSIS]
        cut = max((rest.rfind(mark, columns // 2, columns) + 1 for mark in BREAKS), default=0) or columns
        rows.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return rows


def shortened(text: str, columns: int) -> str:
    """Return a text of at most ``columns`` characters, an ellipsis in its middle: both ends of an ARN matter."""
    if len(text) <= columns:
        return text
    head = (columns - 1) // 2
    return text[:head] + ELLIPSIS + text[len(text) - (columns - 1 - head) :]


def paragraph(
    text: str,
    style: Style,
    width: float = 0,
    *,
    lines: int = 2,
    tone: Tone = "text",
    indent: float = 0,
    label: str = "",
    dot: bool = False,
    gap: float = 0,
) -> list[Line]:
    """Return a text as lines that fit into a card, with the whole of it as tooltip where it does not fit."""
    rows = wrapped(text, int(((width or CARD_TEXT) - indent) / style.advance), lines)
    whole = text if rows and rows[-1].endswith(ELLIPSIS) else ""
    return [
        Line(
            text=row,
            style=style,
            tone=tone,
            indent=indent,
            label="" if number else label,
            dot=dot and number == 0,
            whole=whole,
            gap=0 if number else gap,
        )
        for number, row in enumerate(rows)
    ]


# The picture's measures: GitHub shows a README about 1000 pixels wide.
WIDTH = 1000
MARGIN = 24
GUTTER = 172  # between the two accounts; the arrow is in it
PANEL = (WIDTH - 2 * MARGIN - GUTTER) / 2
PADDING = 16
CARD = PANEL - 2 * PADDING
CARD_TEXT = CARD - 2 * PADDING
LABEL_WIDTH = 92
CARD_HEADING = 40  # from a card's top to the base of its first line, less a line
CARD_GAP = 12
PANEL_HEADING = 68
PANEL_TOP = 100
ARROW_HEIGHT = 42  # of the arrow below the first card's top


DOT_WIDTH = 16
MAX_PLACE = 125  # characters of the line below the title
MAX_SENTENCES = 4  # of a policy, and of checks that failed; more becomes a tooltip

TONES: Mapping[str, Tone] = {Verdict.PROVEN: "good", Verdict.DISPROVEN: "bad", Verdict.NOT_CHECKED: "muted"}

# Icons of 16 by 16 units, drawn as strokes.
ICONS = {
    "user": "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14.5c.6-3 2.7-4.5 5.5-4.5s4.9 1.5 5.5 4.5",
    "role": "M8 1.5 13.5 3.5v4.2c0 3.3-2.2 5.5-5.5 6.8-3.3-1.3-5.5-3.5-5.5-6.8V3.5zM5.5 7.8l1.9 1.9 3.3-3.5",
    "policy": "M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3M5.8 8h4.4M5.8 11h4.4",
    "key": "M5 14a3.3 3.3 0 1 0 0-6.6A3.3 3.3 0 0 0 5 14zM7.3 8.4 13.5 2.2M11 4.7l2.3 2.3",
    "trust": "M3.5 7h9v7.5h-9zM5.5 7V4.5a2.5 2.5 0 0 1 5 0V7M8 10v1.8",
    "proof": "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM5 8.2l2.2 2.2L11.2 6",
}


@dataclass(frozen=True, kw_only=True)
class Card:
    """A box with a heading and lines of text."""

    icon: str
    heading: str
    lines: list[Line]

    @property
    def height(self) -> float:
        """The room that the card takes from top to bottom."""
        return CARD_HEADING + sum(line.style.leading + line.gap for line in self.lines) + PADDING - 4


def user_cards(shown: Relationship) -> list[Card]:
    """Return the cards of the trusted account."""
    return [
        Card(icon="user", heading="User", lines=_named(shown.user_name, shown.user_arn)),
        _policy_card("Policy of the user", shown.user_policy),
        _keys_card(shown),
    ]


def role_cards(shown: Relationship) -> list[Card]:
    """Return the cards of the trusting account."""
    trust = [
        *(line for name in principals(shown.trust_policy) for line in _fact("lets in", name)),
        *(line for words, value in conditions(shown.trust_policy) for line in _fact(words, value)),
    ]
    session = paragraph(f"sessions of at most {duration(shown.max_session)}", NOTE, tone="muted")
    return [
        Card(icon="role", heading="Role", lines=[*_named(shown.role_name, shown.role_arn), *session]),
        Card(icon="trust", heading="Trust policy", lines=trust),
        _policy_card("Policy of the role", shown.role_policy, shown.managed_policies),
    ]


def _named(name: str, arn: str) -> list[Line]:
    short = shortened(arn, int(CARD_TEXT / SMALL_CODE.advance))
    return [
        *paragraph(name, NAME),
        Line(text=short, style=SMALL_CODE, tone="muted", whole=arn if short != arn else ""),
    ]


def _fact(words: str, value: str) -> list[Line]:
    if len(words) * NOTE.advance > LABEL_WIDTH:  # a condition key that has no words of its own
        return paragraph(f"{words}: {value}", CODE)
    return paragraph(value, CODE, indent=LABEL_WIDTH, label=words)


def _policy_card(heading: str, policy: Policy, managed: Sequence[str] = ()) -> Card:
    sentences = reading(policy.document)
    shown, rest = sentences[:MAX_SENTENCES], sentences[MAX_SENTENCES:]
    lines = paragraph(policy.name, CODE)
    for sentence in shown:
        lines += paragraph(sentence, SMALL_CODE, lines=3, tone="muted")
    if rest:
        lines.append(Line(text=f"and {len(rest)} more", style=SMALL_CODE, tone="muted", whole="; ".join(rest)))
    for arn in managed:
        lines += paragraph(f"and all of {arn}", SMALL_CODE, lines=3, tone="muted")
    return Card(icon="policy", heading=heading, lines=lines)


def _keys_card(shown: Relationship) -> Card:
    lines: list[Line] = []
    for key in shown.keys:
        tone: Tone = "good" if key.status == "Active" else "muted"
        name = f"key {key.label}: {key.id}, {key.status}"
        lines += paragraph(name, CODE, lines=3, tone=tone, indent=DOT_WIDTH, dot=True, gap=8 if lines else 0)
        lines += paragraph(key_history(key, shown.today), MINOR, tone="muted", indent=DOT_WIDTH)
        if (age_days(key, shown.today) or 0) > MAX_ACCESS_KEY_DAYS:
            warning = f"older than {MAX_ACCESS_KEY_DAYS} days: rotate it"
            lines += paragraph(warning, MINOR, tone="warn", indent=DOT_WIDTH)
    counted = f"Access keys, {len(shown.keys)} of {MAX_ACCESS_KEYS}"
    known = any(key.made for key in shown.keys)
    return Card(
        icon="key",
        heading=f"{counted}, on {shown.today:%Y-%m-%d}" if known else counted,
        lines=lines or paragraph("none", NOTE, tone="muted"),
    )


def proof_card(proof: Proof | None) -> Card:
    """Return the card about the last proof, which is as wide as the picture."""
    width = WIDTH - 2 * MARGIN - 2 * PADDING
    if proof is None:
        lines = paragraph("not proven yet: run make verify", NOTE, width, tone="muted")
        return Card(icon="proof", heading="Last proof", lines=lines)
    proven = [row for row in proof.rows if row.verdict == Verdict.PROVEN]
    summary = f"{proof.verdict}, {len(proven)} of {len(proof.rows)} checks passed"
    lines = paragraph(summary, NAME, width, tone=TONES.get(proof.verdict, "warn"))
    for row in [row for row in proof.rows if row.verdict != Verdict.PROVEN][:MAX_SENTENCES]:
        text = f"{row.verdict}: {row.check}" + (f" (expected: {row.expected})" if row.expected else "")
        lines += paragraph(text, CODE, width, lines=1, tone=TONES.get(row.verdict, "warn"))
    return Card(icon="proof", heading=f"Last proof, {proof.time}", lines=lines)


# SVG

# Colours of GitHub's light and dark themes, where the picture is looked at most: light, then dark.
COLOURS = {
    "page": ("#ffffff", "#0d1117"),
    "panel": ("#f6f8fa", "#151b23"),
    "card": ("#ffffff", "#0d1117"),
    "edge": ("#d1d9e0", "#3d444d"),
    "text": ("#1f2328", "#f0f6fc"),
    "muted": ("#59636e", "#9198a1"),
    "accent": ("#0969da", "#4493f8"),
    "good": ("#1a7f37", "#3fb950"),
    "warn": ("#9a6700", "#d29922"),
    "bad": ("#d1242f", "#f85149"),
}
FILLED = ("text", "muted", "accent", "good", "warn", "bad")
BOXES = ("page", "panel", "card")
FONTS = """.sans{font-family:-apple-system,BlinkMacSystemFont,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif}
.mono{font-family:ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}
.title{font-size:22px;font-weight:600}.id{font-size:20px;font-weight:600}.name{font-size:14px;font-weight:600}
.code{font-size:12px}.small{font-size:11px}.note{font-size:12.5px}.minor{font-size:11.5px}
.heading{font-size:11px;font-weight:600;letter-spacing:.4px}.middle{text-anchor:middle}.end{text-anchor:end}
.line{fill:none;stroke-width:1.4;stroke-linecap:round;stroke-linejoin:round}.arrow{stroke-width:2}"""


def style_sheet() -> str:
    """Return the picture's style sheet, light by default and dark where the viewer's theme is."""
    light, dark = (_colours(theme) for theme in (0, 1))
    return f"<style>{FONTS}\n{light}\n@media (prefers-color-scheme:dark){{{dark}}}</style>"


def _colours(theme: Literal[0, 1]) -> str:
    colour = {name: pair[theme] for name, pair in COLOURS.items()}
    filled = [f".{name}{{fill:{colour[name]}}}" for name in FILLED]
    boxes = [f".{name}{{fill:{colour[name]};stroke:{colour['edge']}}}" for name in BOXES]
    strokes = [f".line.{name}{{fill:none;stroke:{colour[name]}}}" for name in ("accent", "muted")]
    return "".join([*filled, *boxes, *strokes])


def xml(text: str) -> str:
    """Return a text for use in XML, without the control characters that XML cannot hold."""
    return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "", text))


def text_element(x: float, y: float, css: str, text: str, whole: str = "") -> str:
    """Return a text whose base line begins at a point; ``whole`` becomes its tooltip."""
    tooltip = f"<title>{xml(whole)}</title>" if whole else ""
    return f'<text x="{x:g}" y="{y:g}" class="{css}" xml:space="preserve">{tooltip}{xml(text)}</text>'


def box(x: float, y: float, width: float, height: float, css: str, *, radius: float = 8) -> str:
    """Return a box with round corners."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" class="{css}"/>'


def draw_card(card: Card, x: float, y: float, width: float) -> Iterator[str]:
    """Yield the elements of a card whose upper left corner is given."""
    left, base = x + PADDING, y + CARD_HEADING - 14
    yield box(x, y, width, card.height, "card")
    yield f'<path d="{ICONS[card.icon]}" class="line accent" transform="translate({left:g} {base - 12:g})"/>'
    yield text_element(left + 24, base, "sans heading muted", card.heading)
    base += 6
    for line in card.lines:
        base += line.gap + line.style.leading
        if line.label:
            yield text_element(left, base, "sans note muted", line.label)
        if line.dot:
            yield f'<circle cx="{left + 4:g}" cy="{base - 4:g}" r="4" class="{line.tone}"/>'
        yield text_element(left + line.indent, base, f"{line.style.css} {line.tone}", line.text, line.whole)


def draw_account(
    words: str, account_id: str, region: str, cards: list[Card], *, x: float, height: float
) -> Iterator[str]:
    """Yield the elements of one account: its heading, and its cards from top to bottom."""
    yield box(x, PANEL_TOP, PANEL, height, "panel", radius=12)
    yield text_element(x + PADDING, PANEL_TOP + 26, "sans heading muted", words)
    yield text_element(x + PADDING, PANEL_TOP + 52, "mono id text", account_id)
    yield text_element(x + PANEL - PADDING, PANEL_TOP + 52, "mono code muted end", region)
    y = PANEL_TOP + PANEL_HEADING
    for card in cards:
        yield from draw_card(card, x + PADDING, y, CARD)
        y += card.height + CARD_GAP


def draw_arrow(shown: Relationship) -> Iterator[str]:
    """Yield the elements of the arrow from the user to the role, with what it takes to go there."""
    start, end = MARGIN + PANEL - PADDING, WIDTH - MARGIN - PANEL + PADDING
    y, middle = PANEL_TOP + PANEL_HEADING + ARROW_HEIGHT, WIDTH / 2
    yield f'<path d="M{start + 5:g} {y:g}H{end - 8:g}" class="line arrow accent"/>'
    yield f'<circle cx="{start:g}" cy="{y:g}" r="5" class="accent"/>'
    yield f'<path d="M{end - 1:g} {y:g}l-11 -6v12z" class="accent"/>'
    yield text_element(middle, y - 12, "mono name accent middle", "sts:AssumeRole")
    needed = [words for words, _ in conditions(shown.trust_policy)]
    for number, words in enumerate(needed):
        name = shortened(words, int((GUTTER - 12) / SMALL_CODE.advance) - len("checks "))
        yield text_element(
            middle, y + 22 + number * SMALL_CODE.leading, "mono small muted middle", f"checks {name}", words
        )


def panel_height(cards: list[Card]) -> float:
    """Return the room that an account takes from top to bottom."""
    return PANEL_HEADING + sum(card.height for card in cards) + CARD_GAP * (len(cards) - 1) + PADDING


def draw(shown: Relationship) -> str:
    """Return the picture, as the text of an SVG file."""
    left, right, proof = user_cards(shown), role_cards(shown), proof_card(shown.proof)
    panels = max(panel_height(left), panel_height(right))
    far = WIDTH - MARGIN - PANEL
    proof_top = PANEL_TOP + panels + PADDING
    height = proof_top + proof.height + MARGIN
    summary = (
        f"The user {shown.user_name} of account {shown.trusted_id} may assume the role {shown.role_name} "
        f"of account {shown.trusting_id}, for at most {duration(shown.max_session)}."
    )
    place = f"stack {shown.stack}"
    if shown.endpoint:
        place += f", on an AWS emulator at {shown.endpoint}"
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    elements = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title description">',
        f'<title id="title">Assume-role relationship of {xml(place)}</title>',
        f'<desc id="description">{xml(description(shown, summary))}</desc>',
        style_sheet(),
        box(0.5, 0.5, WIDTH - 1, height - 1, "page", radius=12),
        text_element(MARGIN, 46, "sans title text", "Who may assume which role"),
        text_element(
            MARGIN, 74, "mono code muted", shortened(place, MAX_PLACE), place if len(place) > MAX_PLACE else ""
        ),
        *draw_account("TRUSTED ACCOUNT", shown.trusted_id, shown.trusted_region, left, x=MARGIN, height=panels),
        *draw_account("TRUSTING ACCOUNT", shown.trusting_id, shown.trusting_region, right, x=far, height=panels),
        *draw_arrow(shown),
        *draw_card(proof, MARGIN, proof_top, WIDTH - 2 * MARGIN),
        "</svg>",
    ]
    return "\n".join(elements) + "\n"


def description(shown: Relationship, summary: str) -> str:
    """Return the picture in words, for those who cannot see it."""
    needed = "; ".join(f"{words} {value}" for words, value in conditions(shown.trust_policy)) or "none"
    keys = "; ".join(f"key {key.label} {key.id} {key.status}, {key_history(key, shown.today)}" for key in shown.keys)
    policy = "; ".join(reading(shown.role_policy.document))
    proof = f"{shown.proof.verdict} on {shown.proof.time}" if shown.proof else "none yet"
    policy += "".join(f"; and all of {arn}" for arn in shown.managed_policies)
    return f"{summary} Conditions: {needed}. The role {policy}. Access keys: {keys or 'none'}. Last proof: {proof}."


# Where it comes from


def read_policy_names(stack: str) -> dict[str, str]:
    """Return the names of the stack's two policies, by the account they are in.

    Raises:
        StackError: the stack cannot be read.
    """
    exported: dict[str, Any] = json.loads(pulumi(stack, "stack", "export"))
    resources: list[dict[str, Any]] = exported.get("deployment", {}).get("resources") or []
    arns = [str(item.get("id", "")) for item in resources if item.get("type") == "aws:iam/policy:Policy"]
    return {arn.split(":")[4]: arn.rpartition("/")[2] for arn in arns if arn.startswith("arn:")}


def read_key_facts(stack: str, user_name: str) -> dict[str, tuple[datetime, datetime | None]]:
    """Return when each access key of the user was made, and when last used, by key id.

    Raises:
        StackError: nobody here may ask AWS, or AWS did not answer.
    """
    config = read_config(stack)
    endpoint: str | None = config.get("endpoint") or None
    iam = administrator_session("trusted", config).client(
        "iam", endpoint_url=endpoint, config=client_config(endpoint=endpoint)
    )
    try:
        return {key.id: (key.created, last_used(iam, key.id)) for key in list_keys(iam, user_name)}
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"AWS does not tell the age of the access keys of {user_name}: {error}") from None


def read_proof(file: Path, stack: str) -> Proof:
    """Return what ``python -m tools.verify --json`` wrote into a file.

    Raises:
        StackError: there is no such file, it is none of those, or it is about another stack.
    """
    again = f"Write it with: python -m tools.verify --stack {stack} --json > {file}"
    try:
        proof = Proof.model_validate_json(read(file))
    except OSError as error:
        raise StackError(f"Cannot read the proof {file}: {error.strerror}. {again}") from None
    except (ValidationError, UnicodeDecodeError):
        raise StackError(f"{file} is not what `python -m tools.verify --json` writes. {again}") from None
    if proof.stack != stack:
        raise StackError(f"{file} is a proof of stack {proof.stack}, not of {stack}. {again}")
    return proof


def default_proof(stack: str) -> Path | None:
    """Return the file of the last proof of a stack, where there is one."""
    file = LOCAL_FOLDER / f"proof-{stack}.json"
    return file if file.exists() else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw a stack; print the path of the picture. Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.diagram", description="Draw a deployed relationship.")
    parser.add_argument("--stack", required=True, metavar="NAME", help="the stack to draw")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: .local/diagram-NAME.svg")
    parser.add_argument(
        "--proof", type=Path, metavar="FILE", help="what tools.verify --json wrote; default: .local/proof-NAME.json"
    )
    given = parser.parse_args(arguments)
    stack: str = given.stack
    output: Path = given.output or LOCAL_FOLDER / f"diagram-{stack}.svg"
    proof_file: Path | None = given.proof or default_proof(stack)
    try:
        outputs = read_outputs(stack)
        policy_names = read_policy_names(stack)
        proof = read_proof(proof_file, stack) if proof_file else None
        key_facts: dict[str, tuple[datetime, datetime | None]] = {}
        try:
            key_facts = read_key_facts(stack, outputs.user_name)
        except StackError as error:
            print(f"The ages of the access keys stay unknown. {error}", file=sys.stderr)  # noqa: T201 - a command
        shown = relationship(stack, outputs, policy_names, key_facts, today=datetime.now(UTC), proof=proof)
        output.parent.mkdir(parents=True, exist_ok=True)
        real_path(output).write_text(draw(shown), encoding="utf-8")
    except StackError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command
        return 1
    except OSError as error:
        reason = f"Cannot write the picture to {output}: {error.strerror}. Name another file with --output"
        print(reason, file=sys.stderr)  # noqa: T201 - a command
        return 1
    print(output)  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
