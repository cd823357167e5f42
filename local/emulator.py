"""The AWS emulator: starts ministack where a stack's endpoint says, finds it again, and stops it."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local import LocalError
from local.checkout import Checkout
from local.console import say
from local.locks import setting_up

START_SECONDS = 60.0  # it takes 0.3 to 2 s; a machine that is busy building takes longer
STOP_SECONDS = 20.0  # it saves its state first
ANSWER_SECONDS = 5.0  # for a whole answer: anything may listen there
ANSWER_BYTES = 1_000_000
POLL_SECONDS = 0.05
# With the process id of the emulator in its folder; that process keeps it locked while it runs.
RECORD = "running.json"
PROCESS = Path(__file__).with_name("emulator_process.py")
# What the emulator's Python needs of the user's environment. The rest may hold secrets or settings of ministack.
INHERITED = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE")
OWNER_ONLY = 0o077


def ensure_running(checkout: Checkout, endpoint: str) -> None:
    """Make sure that an AWS emulator which enforces IAM answers at ``endpoint``; start one if nothing listens there.

    The caller holds the lock of the set-up.

    Raises:
        LocalError: something else listens there, the address is not of this machine, or it does not start.
    """
    url = urlsplit(endpoint)
    if url.scheme != "http" or url.hostname not in ("127.0.0.1", "localhost") or not url.port:
        raise LocalError(
            f"The AWS emulator listens on http://127.0.0.1 only, and endpoint is {endpoint!r}. "
            "Set it with: pulumi config set endpoint http://127.0.0.1:4599"
        )
    match _listening(endpoint):
        case "nothing":
            _start(checkout, endpoint)
        case "ministack":
            if not _process(checkout.emulator_of(endpoint)):
                say(f"Using the AWS emulator that already runs at {endpoint}; this checkout did not start it.")
        case "open":
            raise LocalError(
                f"The AWS emulator at {endpoint} lets everybody in: it was started without AUTH=true, so it proves "
                "nothing. Stop it, then try again."
            )
        case _:
            raise LocalError(
                f"Something other than the AWS emulator listens at {endpoint}, or it hangs. Stop it, or choose a "
                "free port: pulumi config set endpoint http://127.0.0.1:PORT"
            )


def started(checkout: Checkout, endpoint: str) -> float:
    """Return when this checkout started the emulator at ``endpoint``, in seconds since 1970; 0 if it did not."""
    folder = checkout.emulator_of(endpoint)
    return (folder / RECORD).stat().st_mtime if _process(folder) else 0.0


def stop(checkout: Checkout) -> bool:
    """Stop the emulators that this checkout started, letting them save their state; return whether any ran."""
    with setting_up(checkout):
        stopped = [_stop(folder) for folder in checkout.emulator.glob("*")]
    return any(stopped)


def _stop(folder: Path) -> bool:
    pid = _process(folder)
    if pid is None:
        return False
    end = time.monotonic() + STOP_SECONDS
    os.kill(pid, signal.SIGTERM)
    while _process(folder):
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            say(f"The AWS emulator (process {pid}) did not end within {STOP_SECONDS:.0f} s and was killed.")
            return True
        time.sleep(POLL_SECONDS)
    (folder / RECORD).unlink(missing_ok=True)
    return True


def _start(checkout: Checkout, endpoint: str) -> None:
    folder = checkout.emulator_of(endpoint)
    if (folder / RECORD).exists():
        # It is removed on a clean stop only, and ministack saves its state only then.
        say(
            "The AWS emulator did not end by `make down`, so what it had not saved is lost. "
            "`make up` creates again what is gone."
        )
    process = _launch(folder, urlsplit(endpoint).port)
    end = time.monotonic() + START_SECONDS
    while _listening(endpoint) != "ministack":
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            process.wait()
            (folder / RECORD).unlink()
            last = (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise LocalError(
                f"The AWS emulator did not start at {endpoint}: {' '.join(last) or 'it said nothing'}. "
                f"Its log is {folder / 'log'}."
            )
        time.sleep(POLL_SECONDS)
    process.returncode = 0  # it outlives this process on purpose; without this, Python warns of a forgotten child


def _launch(folder: Path, port: int | None) -> subprocess.Popen[bytes]:
    """Start the process, which records its id; the record is locked while it runs."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # its files hold the secrets of all access keys
    settings = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "s3"),
        "TMPDIR": str(folder),
    }
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with (folder / RECORD).open("w") as running, (folder / "log").open("w") as log:
        fcntl.flock(running, fcntl.LOCK_EX)  # the process inherits the lock, which shows that it runs
        return subprocess.Popen(
            [sys.executable, "-P", PROCESS, str(running.fileno())],
            env=inherited | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a command is not meant for it
            cwd=folder,
            pass_fds=[running.fileno()],
            umask=OWNER_ONLY,
        )


def _process(folder: Path) -> int | None:
    """Return the process id of the emulator that this checkout started in a folder, if it still runs."""
    try:
        with (folder / RECORD).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return json.load(file)["pid"]
    except (OSError, ValueError):
        pass
    return None


def _listening(endpoint: str) -> str:
    """Return what listens: "nothing", "ministack", "open" (ministack that enforces nothing) or "something else"."""
    url, end, answer = urlsplit(endpoint), time.monotonic() + ANSWER_SECONDS, b""
    try:
        with socket.create_connection((url.hostname or "", url.port or 80), timeout=ANSWER_SECONDS) as connection:
            connection.sendall(f"GET /_ministack/health HTTP/1.0\r\nHost: {url.netloc}\r\n\r\n".encode())
            while len(answer) < ANSWER_BYTES and time.monotonic() < end and (part := connection.recv(ANSWER_BYTES)):
                answer += part
        health: Any = json.loads(answer.partition(b"\r\n\r\n")[2])
    except ConnectionRefusedError:
        return "nothing"
    except (OSError, ValueError, RecursionError):
        return "something else"
    if not isinstance(health, dict) or "services" not in health:
        return "something else"
    return "ministack" if health.get("auth") == "enabled" else "open"  # pyright: ignore[reportUnknownMemberType]
