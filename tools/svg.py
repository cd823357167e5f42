"""Shapes of an SVG picture, and text that fits into them: cards, panels and arrows, in a light and a dark theme.

No library writes the elements, which are four short functions here. svg.py escapes nothing and gives a text no tooltip;
drawsvg would save six lines, but it is untyped and lets control characters through. Neither makes a text fit.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from html import escape
from typing import Final, Literal, NamedTuple, TypeAlias

# Colours of GitHub's light and dark themes, where the picture is looked at most: light, then dark.
COLOURS: Final = {
    "page": ("#ffffff", "#0d1117"),
    "panel": ("#f6f8fa", "#151b23"),
    "card": ("#ffffff", "#0d1117"),
    "text": ("#1f2328", "#f0f6fc"),
    "muted": ("#59636e", "#9198a1"),
    "accent": ("#0969da", "#4493f8"),
    "good": ("#1a7f37", "#3fb950"),
    "warn": ("#9a6700", "#d29922"),
    "bad": ("#d1242f", "#f85149"),
}
EDGES: Final = ("#d1d9e0", "#3d444d")  # of pages, panels and cards
FIXED: Final = """.sans{font-family:-apple-system,BlinkMacSystemFont,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif}
.mono{font-family:ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}
.title{font-size:22px;font-weight:600}.id{font-size:20px;font-weight:600}.name{font-size:14px;font-weight:600}
.code{font-size:12px}.small{font-size:11px}.note{font-size:12.5px}.minor{font-size:11.5px}
.heading{font-size:11px;font-weight:600;letter-spacing:.4px}.middle{text-anchor:middle}.end{text-anchor:end}
.line{stroke-width:1.4;stroke-linecap:round;stroke-linejoin:round}.arrow{stroke-width:2}"""

# Icons of 16 by 16 units, drawn as strokes.
ICONS: Final = {
    "person": "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14.5c.6-3 2.7-4.5 5.5-4.5s4.9 1.5 5.5 4.5",
    "shield": "M8 1.5 13.5 3.5v4.2c0 3.3-2.2 5.5-5.5 6.8-3.3-1.3-5.5-3.5-5.5-6.8V3.5zM5.5 7.8l1.9 1.9 3.3-3.5",
    "page": "M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3M5.8 8h4.4M5.8 11h4.4",
    "key": "M5 14a3.3 3.3 0 1 0 0-6.6A3.3 3.3 0 0 0 5 14zM7.3 8.4 13.5 2.2M11 4.7l2.3 2.3",
    "lock": "M3.5 7h9v7.5h-9zM5.5 7V4.5a2.5 2.5 0 0 1 5 0V7M8 10v1.8",
    "tick": "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM5 8.2l2.2 2.2L11.2 6",
}

PADDING: Final = 16  # inside cards and panels
CARD_HEADING: Final = 32  # from a card's top to its texts
CARD_GAP: Final = 12  # between cards
PANEL_HEADING: Final = 68  # from a panel's top to its first card

Tone: TypeAlias = Literal["text", "muted", "accent", "good", "warn", "bad"]


# Elements


def line(x: float, y: float, css: str, text: str, *, whole: str = "") -> str:
    """Return a line of text whose base begins at a point; ``whole`` becomes its tooltip."""
    tooltip = f"<title>{xml(whole)}</title>" if whole else ""
    return f'<text x="{x:g}" y="{y:g}" class="{css}" xml:space="preserve">{tooltip}{xml(text)}</text>'


def box(x: float, y: float, width: float, height: float, css: str, *, radius: float = 8) -> str:
    """Return a box with round corners."""
    size = f'width="{width:g}" height="{height:g}" rx="{radius:g}"'
    return f'<rect x="{x:g}" y="{y:g}" {size} class="box {css}"/>'


def dot(x: float, y: float, radius: float, tone: Tone) -> str:
    """Return a filled circle around a point."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="{tone}"/>'


def xml(text: str) -> str:
    """Return a text for use in XML, without the control characters that XML cannot hold."""
    return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "", text))


# Text that fits


class Style(NamedTuple):
    """How a text looks, and how much room it takes."""

    css: str
    advance: float  # of one character; of a proportional font, a wide average
    leading: float  # from one line's base to the next


# What others named is set in a fixed pitch, so that its width is known and it stays in its box; words of our own are
# proportional. Advances hold for the widest of the usual system fonts.
NAME: Final = Style("mono name", 8.5, 20)
CODE: Final = Style("mono code", 7.3, 18)
SMALL_CODE: Final = Style("mono small", 6.7, 17)
CENTRED: Final = Style("mono small middle", 6.7, 17)  # around the point where others begin
NOTE: Final = Style("sans note", 6.9, 17)
MINOR: Final = Style("sans minor", 6.1, 16)

ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


def wrapped(text: str, columns: int, lines: int) -> list[str]:
    """Break a text into at most ``lines`` lines of at most ``columns`` characters; more ends in an ellipsis.

    Breaks come after a space where the last half of a line has one, else after another separator, else anywhere:
    names, ARNs and external ids often have none.
    """
    rows: list[str] = []
    rest = text.strip()
    while len(rest) > columns and len(rows) < lines - 1:
        cuts = [max(rest.rfind(mark, columns // 2, columns) + 1 for mark in marks) for marks in (" ", ",/:-_")]
        cut = next(filter(None, cuts), columns)
        rows.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*rows, rest if len(rest) <= columns else rest[: columns - 1].rstrip() + ELLIPSIS]


@dataclass(frozen=True)
class Text:
    """A text in a card; what does not fit is in its tooltip."""

    text: str
    style: Style
    _: KW_ONLY
    tone: Tone = "text"
    lines: int = 2  # at most
    indent: float = 0
    label: str = ""  # what the text is, to the left of the indent
    dotted: bool = False  # a dot in the text's tone to the left of the indent
    gap: float = 0  # extra room above

    def rows(self, width: float) -> list[str]:
        """Return the text's lines in this width."""
        return wrapped(self.text, int((width - self.indent) / self.style.advance), self.lines)

    def height(self, width: float) -> float:
        """Return the room that the text takes from top to bottom."""
        return self.gap + len(self.rows(width)) * self.style.leading

    def draw(self, x: float, y: float, width: float) -> Iterator[str]:
        """Yield the elements of the text, whose upper left corner is given."""
        base = y + self.gap + self.style.leading
        rows = self.rows(width)
        whole = self.text if rows[-1].endswith(ELLIPSIS) else ""
        if self.label:
            yield line(x, base, "sans note muted", self.label)
        if self.dotted:
            yield dot(x + 4, base - 4, 4, self.tone)
        for number, row in enumerate(rows):
            at = base + number * self.style.leading
            yield line(x + self.indent, at, f"{self.style.css} {self.tone}", row, whole=whole)


# Shapes


@dataclass(frozen=True)
class Card:
    """A box with an icon, a heading and texts."""

    icon: str
    heading: str
    texts: Sequence[Text]

    def height(self, width: float) -> float:
        """Return the room that the card takes from top to bottom."""
        return CARD_HEADING + sum(text.height(width - 2 * PADDING) for text in self.texts) + PADDING

    def draw(self, x: float, y: float, width: float) -> Iterator[str]:
        """Yield the elements of the card, whose upper left corner is given."""
        left, inside = x + PADDING, width - 2 * PADDING
        yield box(x, y, width, self.height(width), "card")
        yield f'<path d="{ICONS[self.icon]}" class="line accent" transform="translate({left:g} {y + 14:g})"/>'
        yield line(left + 24, y + 26, "sans heading muted", self.heading)
        y += CARD_HEADING
        for text in self.texts:
            yield from text.draw(left, y, inside)
            y += text.height(inside)


@dataclass(frozen=True)
class Panel:
    """A box with a heading, a name in large letters, a note to its right, and cards from top to bottom."""

    heading: str
    name: str
    note: str
    cards: Sequence[Card]

    def height(self, width: float) -> float:
        """Return the room that the panel takes from top to bottom."""
        cards = [card.height(width - 2 * PADDING) for card in self.cards]
        return PANEL_HEADING + sum(cards) + CARD_GAP * (len(cards) - 1) + PADDING

    def draw(self, x: float, y: float, width: float, height: float) -> Iterator[str]:
        """Yield the elements of the panel, whose upper left corner is given; it may be higher than it has to be."""
        inside = width - 2 * PADDING
        yield box(x, y, width, height, "panel", radius=12)
        yield line(x + PADDING, y + 26, "sans heading muted", self.heading)
        yield line(x + PADDING, y + 52, "mono id text", self.name)
        yield line(x + width - PADDING, y + 52, "mono code muted end", self.note)
        y += PANEL_HEADING
        for card in self.cards:
            yield from card.draw(x + PADDING, y, inside)
            y += card.height(inside) + CARD_GAP


def arrow(start: float, end: float, y: float, *, text: str, notes: Iterable[str], width: float) -> Iterator[str]:
    """Yield the elements of an arrow to the right, a text above it and notes below; each note fits into the width."""
    middle = (start + end) / 2
    yield f'<path d="M{start + 5:g} {y:g}H{end - 8:g}" class="line arrow accent"/>'
    yield dot(start, y, 5, "accent")
    yield f'<path d="M{end - 1:g} {y:g}l-11 -6v12z" class="accent"/>'
    yield line(middle, y - 12, f"{NAME.css} accent middle", text)
    for number, note in enumerate(notes):
        top = y + 5 + number * CENTRED.leading
        yield from Text(note, CENTRED, tone="muted", lines=1).draw(middle, top, width)


def picture(elements: Iterable[str], *, width: float, height: float, title: str, description: str) -> str:
    """Return the text of an SVG file; the description is for those who cannot see it."""
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    light, dark = (_theme(number) for number in (0, 1))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title description">',
        f'<title id="title">{xml(title)}</title>',
        f'<desc id="description">{xml(description)}</desc>',
        f"<style>{FIXED}\n{light}\n@media (prefers-color-scheme:dark){{{dark}}}</style>",
        box(0.5, 0.5, width - 1, height - 1, "page", radius=12),
        *elements,
        "</svg>",
    ]
    return "".join(f"{element}\n" for element in lines)


def _theme(number: Literal[0, 1]) -> str:
    fills = "".join(f".{name}{{fill:{pair[number]}}}" for name, pair in COLOURS.items())
    return f"{fills}.box{{stroke:{EDGES[number]}}}.line.accent{{fill:none;stroke:{COLOURS['accent'][number]}}}"
