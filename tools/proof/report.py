"""The report of a proof: its rows and verdict, as lines for people and as JSON for scripts, `diagram` and `fleet`."""

import json
import shutil
import sys
import textwrap
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, Field, ValidationError, computed_field

from tools.aws.keys import AccessKey, Printed, moment
from tools.console import Exit, StackError, complain
from tools.files import read, write_privately
from tools.stack import Outputs

LOCAL_FOLDER: Final = Path(__file__).parent.parent.parent / ".local"


class Verdict(StrEnum):
    """What a check came to."""

    PROVEN = "proven"
    DISPROVEN = "disproven"
    UNKNOWN = "could not tell"
    WARNING = "warning"  # worth knowing; does not make the whole fail
    NOT_CHECKED = "not checked"  # does not make the whole fail


COLORS: Final = {
    Verdict.PROVEN: "32",
    Verdict.DISPROVEN: "1;31",
    Verdict.UNKNOWN: "33",
    Verdict.WARNING: "33",
    Verdict.NOT_CHECKED: "2",
}
CODES: Final = {Verdict.PROVEN: Exit.DONE, Verdict.DISPROVEN: Exit.FAILED, Verdict.UNKNOWN: Exit.CANNOT_TELL}
SUMMARIES: Final = {
    Verdict.PROVEN: "is proven",
    Verdict.DISPROVEN: "differs from what was deployed",
    Verdict.UNKNOWN: "could not be proven",
}
VERDICT_WIDTH: Final = max(map(len, Verdict)) + 2
COMMAND: Final = "  "  # what a line of advice begins with that is a command, to be copied whole


@dataclass(frozen=True)
class Row:
    """What one check observed, and what that means. The check itself is added when it has run."""

    __pydantic_config__ = {}  # the report has its fields by these names  # noqa: RUF012

    verdict: Verdict
    observed: str = ""
    advice: str = ""  # what is wrong and what to do; a command stands on a line of its own
    _: KW_ONLY
    needs_person: bool = False  # unknown only because the owner of a PGP key or an MFA device has to help
    id: str = ""
    check: str = ""
    expected: str = ""
    seconds: float = 0.0


proven = partial(Row, Verdict.PROVEN)
disproven = partial(Row, Verdict.DISPROVEN)
unknown = partial(Row, Verdict.UNKNOWN)
warning = partial(Row, Verdict.WARNING)
not_checked = partial(Row, Verdict.NOT_CHECKED)


class Proof(Printed):
    """The results of one run, with what AWS reported about the keys."""

    stack: str
    time: AwareDatetime
    rows: tuple[Row, ...]
    seconds: float = 0.0
    keys: tuple[AccessKey, ...] = ()
    outputs: Outputs | None = Field(default=None, exclude=True)  # None: they could not be read
    final_at: str = Field(default="", exclude=True)  # when refusals are final, where only positive checks ran

    @computed_field
    @property
    def verdict(self) -> Verdict:
        """The verdict of all rows together: disproven outweighs unknown."""
        verdicts = {row.verdict for row in self.rows}
        return next((bad for bad in (Verdict.DISPROVEN, Verdict.UNKNOWN) if bad in verdicts), Verdict.PROVEN)

    @property
    def when(self) -> str:
        """When the proof was made, in words."""
        return moment(self.time)

    @property
    def code(self) -> Exit:
        """The exit code."""
        return CODES[self.verdict]

    @property
    def lacks_only_a_person(self) -> bool:
        """Whether some checks could not tell, and all of them need the owner of a PGP key or an MFA device."""
        unknown = [row for row in self.rows if row.verdict is Verdict.UNKNOWN]
        return self.verdict is Verdict.UNKNOWN and all(row.needs_person for row in unknown)

    @property
    def summary(self) -> str:
        """The verdict in a sentence."""
        if self.final_at and self.code is Exit.DONE:
            return f"Stack {self.stack} works. Refusals are final at {self.final_at}: make verify STACK={self.stack}"
        numbers = {verdict: sum(row.verdict is verdict for row in self.rows) for verdict in Verdict}
        counts = ", ".join(f"{number} {verdict}" for verdict, number in numbers.items() if number)
        return f"Stack {self.stack} {SUMMARIES[self.verdict]} ({counts}; {self.seconds:.1f} s)."

    def as_json(self) -> str:
        """Return the report for scripts; it holds no secret."""
        shown = {"label", "id", "created", "last_used"}
        keys = [
            key.model_dump(by_alias=True, include=shown) | {"status": key.deployed, "ageDays": key.age_days(self.time)}
            for key in self.keys
        ]
        document = self.model_dump(by_alias=True, exclude={"keys"}) | {"keys": keys}
        return json.dumps(document, indent=2, default=datetime.isoformat)

    def lines(self) -> list[str]:
        """Return the rows as this terminal shows them, or as a file takes them."""
        if not sys.stdout.isatty():
            return [line for row in self.rows for line in lines_of(row, None)]
        width = shutil.get_terminal_size().columns
        return [line for row in self.rows for line in _colored(row, lines_of(row, width))]


def lines_of(row: Row, width: int | None) -> list[str]:
    """Return a row in one line where it is proven, else in full; a command stays on one line, to be copied.

    Args:
        row: the row.
        width: of the terminal; None where lines have no end.
    """
    first = f"{row.verdict:<{VERDICT_WIDTH}}{row.check}: {row.observed}"
    if row.verdict is Verdict.PROVEN:
        return [first if width is None or len(first) <= width else f"{first[: width - 3]}..."]
    indent = " " * VERDICT_WIDTH
    texts = [first, f"{indent}Expected: {row.expected}", *(indent + line for line in row.advice.splitlines())]
    return [line for text in texts for line in _wrapped(text, width, indent)]


def _wrapped(text: str, width: int | None, indent: str) -> list[str]:
    if width is None or len(text) <= width or text.startswith(indent + COMMAND):
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)


def _colored(row: Row, texts: list[str]) -> list[str]:
    verdict, rest = texts[0][:VERDICT_WIDTH], texts[0][VERDICT_WIDTH:]
    return [f"\x1b[{COLORS[row.verdict]}m{verdict}\x1b[0m{rest}", *texts[1:]]


def proof_file(stack: str) -> Path:
    """Return where `make` keeps the last proof of a stack."""
    return LOCAL_FOLDER / f"proof-{stack}.json"


def save(proof: Proof, file: Path) -> bool:
    """Write the report to a file, and return whether that succeeded."""
    try:
        write_privately(file, proof.as_json() + "\n")
    except OSError as error:
        complain(f"error: {file} cannot be written: {error}. Name another file.")
        return False
    return True


def read_proof(file: Path, stack: str) -> Proof:
    """Return the saved report of a proof of this stack.

    Raises:
        StackError: there is no such file, it is no report, or it is about another stack.
    """
    again = f"Write it with: python -m tools verify --stack {stack} --save {file}"
    try:
        proof = Proof.model_validate_json(read(file))
    except OSError as error:
        raise StackError(f"Cannot read the proof {file}: {error.strerror}. {again}") from None
    except (ValidationError, UnicodeDecodeError):
        raise StackError(f"{file} is not what `python -m tools verify --save` writes. {again}") from None
    if proof.stack != stack:
        raise StackError(f"{file} is a proof of stack {proof.stack}, not of {stack}. {again}")
    return proof
