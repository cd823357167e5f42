"""The last proof of a stack, as ``python -m tools verify --save`` wrote it: read without asking AWS again."""

from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, ValidationError

from tools.aws.keys import AccessKey, Printed, moment
from tools.console import StackError
from tools.files import read

LOCAL_FOLDER: Final = Path(__file__).parent.parent.parent / ".local"


def proof_file(stack: str) -> Path:
    """Return where `make` keeps the last proof of a stack."""
    return LOCAL_FOLDER / f"proof-{stack}.json"


class SavedRow(Printed):
    """One check of a proof."""

    check: str
    verdict: str
    expected: str = ""


class Proof(Printed):
    """The report that ``python -m tools verify --save`` wrote, with what AWS reported about the keys."""

    stack: str
    time: AwareDatetime
    verdict: str
    rows: tuple[SavedRow, ...]
    keys: tuple[AccessKey, ...] = ()

    @property
    def when(self) -> str:
        """When the proof was made, in words."""
        return moment(self.time)


def read_proof(file: Path, stack: str) -> Proof:
    """Return the report of a proof of this stack.

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
