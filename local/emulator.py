"""The embedded AWS: starts ministack where a stack's endpoint says, finds it again, and stops it."""

import fcntl
import http.client
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from local import LocalError
from local.checkout import Checkout
from local.console import say
from local.locks import exclusive

START_SECONDS = 60.0  # it takes 0.3 to 2 s; a machine that is busy building takes longer
STOP_SECONDS = 20.0  # it saves its state first
ANSWER_SECONDS = 5.0
POLL_SECONDS = 0.05
PROCESS = Path(__file__).with_name("emulator_process.py")
# Signed with a made-up key: an emulator that checks signatures refuses it, any other lets everybody in.
STRANGER = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20300101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0"  # noqa: E501
REFUSALS = (400, 401, 403)


def ensure_running(checkout: Checkout, endpoint: str) -> None:
    """Make sure that an AWS emulator which enforces IAM answers at ``endpoint``; start one if nothing listens there.

    Raises:
        LocalError: something else listens there, the address is not of this machine, or it does not start.
    """
    url = urlsplit(endpoint)
    if url.scheme != "http" or url.hostname not in ("127.0.0.1", "localhost") or not url.port:
        raise LocalError(
            f"The embedded AWS listens on http://127.0.0.1 only, and endpoint is {endpoint!r}. "
            "Set it with: pulumi config set endpoint http://127.0.0.1:4599"
        )
    # One that another command is starting does not listen yet.
    if _is_ours(checkout, endpoint) and _listening(endpoint) != "nothing" and _enforces_iam(endpoint):
        return
    with exclusive(checkout.emulator / "lock", "the start of the embedded AWS", timeout=START_SECONDS):
        kind = _listening(endpoint)
        if kind == "nothing":
            if _stop(checkout):
                say(f"Stopped the embedded AWS, to start it again at {endpoint}; its state is kept.")
            _start(checkout, endpoint, url.port)
        elif kind == "ministack" and not _is_ours(checkout, endpoint):
            say(f"Using the AWS emulator that already runs at {endpoint}; this checkout did not start it.")
        elif kind == "something else":
            raise LocalError(
                f"Something other than the embedded AWS listens at {endpoint}. Stop it, or choose a free port: "
                "pulumi config set endpoint http://127.0.0.1:PORT"
            )
        if not _enforces_iam(endpoint):
            raise LocalError(
                f"The AWS emulator at {endpoint} lets everybody in: it was started without AUTH=true, so it proves "
                "nothing. Stop it, then try again."
            )


def started_after(checkout: Checkout, endpoint: str, moment: float) -> bool:
    """Return whether the embedded AWS that runs at ``endpoint`` was started, by this checkout, after a moment.

    Args:
        checkout: the checkout.
        endpoint: the emulator's URL.
        moment: seconds since 1970.
    """
    return _is_ours(checkout, endpoint) and _record_file(checkout).stat().st_mtime > moment


def stop(checkout: Checkout) -> bool:
    """Stop the embedded AWS that this checkout started, letting it save its state; return whether one ran."""
    with exclusive(checkout.emulator / "lock", "the start of the embedded AWS", timeout=START_SECONDS):
        return _stop(checkout)


def _stop(checkout: Checkout) -> bool:
    record = _record(checkout)
    if record is None:
        return False
    pid = int(record["pid"])
    end = time.monotonic() + STOP_SECONDS
    os.kill(pid, signal.SIGTERM)
    while _record(checkout):
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            say(f"The embedded AWS (process {pid}) did not end within {STOP_SECONDS:.0f} s and was killed.")
            return True
        time.sleep(POLL_SECONDS)
    _record_file(checkout).unlink(missing_ok=True)
    return True


def _start(checkout: Checkout, endpoint: str, port: int) -> None:
    folder = checkout.emulator
    record = _record_file(checkout)
    if record.exists():
        # It is removed on a clean stop only, and ministack saves its state only then.
        say(
            "The embedded AWS did not end by `make down`, so what it had not saved is lost. "
            "`make up` creates again what is gone."
        )
    process = _launch(checkout, endpoint, port)
    end = time.monotonic() + START_SECONDS
    while _listening(endpoint) != "ministack":
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            process.wait()
            record.unlink()
            last = (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise LocalError(
                f"The embedded AWS did not start at {endpoint}: {' '.join(last) or 'it said nothing'}. "
                f"Its log is {folder / 'log'}."
            )
        time.sleep(POLL_SECONDS)
    process.returncode = 0  # it outlives this process on purpose; without this, Python warns of a forgotten child


def _launch(checkout: Checkout, endpoint: str, port: int) -> subprocess.Popen[bytes]:
    """Start the process, and record which one it is as long as it lives."""
    folder, record = checkout.emulator, _record_file(checkout)
    settings = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "s3"),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MINISTACK_"))}
    with record.open("w", encoding="utf-8") as running, (folder / "log").open("w", encoding="utf-8") as log:
        fcntl.flock(running, fcntl.LOCK_EX)  # the process inherits the lock: it tells whether it lives, whatever its id
        process = subprocess.Popen(
            [checkout.python, "-P", PROCESS, str(running.fileno())],
            env=inherited | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a command is not meant for it
            cwd=folder,
            pass_fds=[running.fileno()],
        )
        try:
            json.dump({"pid": process.pid, "endpoint": endpoint}, running)
            running.flush()
        except OSError:  # the disk is full: nobody could find it again
            process.kill()
            process.wait()
            raise
    return process


def _record_file(checkout: Checkout) -> Path:
    """Return the file that says which process the emulator is; that process keeps it locked as long as it lives."""
    return checkout.emulator / "running.json"


def _record(checkout: Checkout) -> dict[str, str | int] | None:
    """Return the process id and endpoint of the emulator that this checkout started, if it still runs."""
    try:
        with _record_file(checkout).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return json.load(file)
    except (OSError, ValueError):
        pass
    return None


def _is_ours(checkout: Checkout, endpoint: str) -> bool:
    record = _record(checkout)
    return record is not None and record["endpoint"] == endpoint


def _listening(endpoint: str) -> str:
    """Return what listens: "nothing", "ministack" or "something else"."""
    try:
        health: object = json.loads(_get(f"{endpoint}/_ministack/health"))
    except urllib.error.URLError as error:
        return "nothing" if isinstance(error.reason, ConnectionRefusedError) else "something else"
    except (OSError, ValueError):
        return "something else"
    return "ministack" if isinstance(health, dict) and "services" in health else "something else"


def _enforces_iam(endpoint: str) -> bool:
    request = urllib.request.Request(  # noqa: S310 - ensure_running lets only http through
        f"{endpoint}/?Action=GetCallerIdentity&Version=2011-06-15", headers={"Authorization": STRANGER}
    )
    try:
        _get(request)
    except urllib.error.HTTPError as error:
        return error.code in REFUSALS
    except OSError as error:
        raise LocalError(
            f"The AWS emulator at {endpoint} gave no answer ({error}): this machine is busy, or it hangs. Try again."
        ) from None
    return False


def _get(request: urllib.request.Request | str) -> bytes:
    """Return the answer to a request, past the environment's proxies: they must not carry loopback traffic elsewhere.

    Raises:
        OSError: there was none, or half of one, or it is an error of HTTP.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWER_SECONDS) as answer:
            return answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"no whole answer of HTTP: {error!r}") from None
