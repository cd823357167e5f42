"""The one proxy of the tests: it stands between the callers of AWS and the emulator, on a loopback address.

It notes every call, does to the next calls of an action what a test has planned, and can sign the calls of an account's
root anew as a principal with fewer permissions. It keeps two limits of AWS that the emulator does not: two access keys
a user, and the role's longest session.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

BOUND_SECONDS = 300.0
DELAY_SECONDS = 25.0  # longer than the stand-in plugin waits for an answer
KEYS_A_USER = 2  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
ANY_CALL = "any call"
SECRET = re.compile(rb"<SecretAccessKey>(.*?)</SecretAccessKey>")
WEB_PAGE = b"<html><body>Hello<br></body></html>"
SIGNED_HEADERS = ("Content-Type", "X-Amz-Target", "X-Amz-Content-Sha256")


class Fault(StrEnum):
    """What may happen to a call."""

    NONE = "none"  # it passes
    ERROR = "error"  # AWS says: 500; nothing is done
    ERROR_AFTER = "error after"  # it is done, and AWS says: 500
    THROTTLE = "throttle"  # AWS says: too fast; nothing is done
    DENY = "deny"  # AWS says: not allowed; nothing is done
    WEB_PAGE = "web page"  # something else answers; nothing is done
    DROP = "drop"  # the connection ends; nothing is done
    LOSE = "lose"  # it is done, and the connection ends without an answer
    TRUNCATE = "truncate"  # it is done, and the connection ends in the middle of the answer
    CUT_SHORT = "cut short"  # it is done, and half of the answer comes as if it were the whole
    DELAY = "delay"  # it is done, and the answer comes when nobody waits for it any more
    WAIT = "wait"  # it is held until `release`, then done
    STOP = "stop"  # it is held until `release`, and never done
    HOLD = "hold"  # it is done, and the answer is held until `release`


def refusal(status: int, code: str, message: str) -> tuple[int, bytes]:
    """Return the status and the body with which IAM and STS refuse a call."""
    body = (
        '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
    return status, body.encode()


FAILURE = refusal(500, "ServiceFailure", "The request processing has failed because of an unknown error.")
LIMIT = refusal(409, "LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {KEYS_A_USER}")
TOO_LONG = refusal(400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration of this role.")
# What answers in AWS's place.
INSTEAD = {
    Fault.ERROR: FAILURE,
    Fault.THROTTLE: refusal(400, "Throttling", "Rate exceeded"),
    Fault.DENY: refusal(403, "AccessDenied", "The caller is not authorized to perform this action"),
    Fault.WEB_PAGE: (200, WEB_PAGE),
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call, as AWS sees it."""

    key_id: str  # of an account's root: the account's id
    service: str
    region: str
    action: str  # as ``CreateRole``; of S3, as ``GET /bucket``


@dataclass
class Proxy:
    """What a test plans, and what the proxy saw."""

    emulator: str
    url: str = ""
    # By action, by key id and action, or for whatever is called; the first is for the next call. Bytes are the answer
    # that it gets instead of AWS's.
    planned: dict[str, list[Fault | bytes]] = field(default_factory=dict)
    signers: Mapping[str, Credentials] = field(default_factory=dict)  # by key id: who signs its calls instead
    calls: list[Call] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)  # of keys and sessions, in the answers of AWS
    reached: threading.Event = field(default_factory=threading.Event)  # a call is held
    released: threading.Event = field(default_factory=threading.Event)
    making_a_key: threading.Lock = field(default_factory=threading.Lock)

    @property
    def actions(self) -> list[str]:
        return [call.action for call in self.calls]

    def plan(self, action: str, *faults: Fault | bytes, key_id: str = "") -> None:
        """Plan what happens to the next calls of an action: of everybody, or of one key id alone."""
        self.reached.clear()
        self.released.clear()
        self.planned[f"{key_id} {action}".strip()] = list(faults)

    def release(self) -> None:
        self.planned.clear()
        self.released.set()

    def fault(self, call: Call) -> Fault | bytes:
        self.calls.append(call)
        names = (f"{call.key_id} {call.action}", call.action, ANY_CALL)
        faults = next((planned for name in names if (planned := self.planned.get(name))), None)
        return faults.pop(0) if faults else Fault.NONE

    @property
    def is_due(self) -> bool:
        """Whether something that was planned has not happened yet."""
        return any(self.planned.values())

    def wait(self) -> None:
        self.reached.set()
        assert self.released.wait(BOUND_SECONDS), "nobody released the call"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = self._call(body)
        fault = self.proxy.fault(call)
        if isinstance(fault, bytes):
            self._answer(200, fault, {})
        elif fault in INSTEAD:
            self._answer(*INSTEAD[fault], {})
        elif fault in (Fault.DROP, Fault.STOP):
            if fault is Fault.STOP:
                self.proxy.wait()
            self.close_connection = True
        else:
            if fault is Fault.WAIT:
                self.proxy.wait()
            self._after(fault, *self._done(call, body))

    def _after(self, fault: Fault, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        """Answer a call that was done, as the fault wants it."""
        half = len(content) // 2
        match fault:
            case Fault.LOSE:
                self.close_connection = True
            case Fault.ERROR_AFTER:
                self._answer(*FAILURE, {})
            case Fault.TRUNCATE:
                self._answer(status, content, headers, sent=half)
                self.close_connection = True
            case Fault.CUT_SHORT:
                self._answer(status, content[:half], headers)
            case _:
                if fault is Fault.HOLD:
                    self.proxy.wait()
                if fault is Fault.DELAY:
                    self.proxy.released.wait(DELAY_SECONDS)
                self._answer(status, content, headers)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - the names of the standard library

    def _call(self, body: bytes) -> Call:
        _, _, scope = self.headers.get("Authorization", "").partition("Credential=")
        key_id, _, region, service, *_ = [*scope.partition(",")[0].split("/"), "", "", "", ""]
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        named = parse_qs(body.decode("latin-1")).get("Action", [""])[0] if service in ("iam", "sts") else ""
        action = target or named or f"{self.command} {self.path}"
        return Call(key_id=key_id, service=service, region=region, action=action)

    def _done(self, call: Call, body: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        """Let AWS do it, within its limits; return the status, the body and the headers of its answer."""
        if call.action == "AssumeRole" and self._is_too_long(body):
            return (*TOO_LONG, {})
        if call.action != "CreateAccessKey":
            return self._pass_on(call, body)
        with self.proxy.making_a_key:
            asked = body.replace(b"CreateAccessKey", b"ListAccessKeys")
            _, keys, _ = self._pass_on(call, asked, Credentials(call.key_id, "any"))
            return (*LIMIT, {}) if keys.count(b"<AccessKeyId>") >= KEYS_A_USER else self._pass_on(call, body)

    def _is_too_long(self, body: bytes) -> bool:
        """Return whether a session is asked for that is longer than its role allows."""
        asked = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        if "DurationSeconds" not in asked or "RoleArn" not in asked:
            return False
        account, name = asked["RoleArn"].split(":")[4], asked["RoleArn"].rpartition("/")[2]
        call = Call(key_id=account, service="iam", region="us-east-1", action="GetRole")
        query = urlencode({"Action": call.action, "Version": "2010-05-08", "RoleName": name}).encode()
        _, answer, _ = self._pass_on(call, query, Credentials(account, "any"))
        longest = re.search(rb"<MaxSessionDuration>(\d+)<", answer)
        return longest is not None and int(asked["DurationSeconds"]) > int(longest[1])

    def _pass_on(
        self, call: Call, body: bytes, signer: Credentials | None = None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Hand a call to the emulator, signed anew if there is a key to sign with."""
        headers = {name: value for name, value in self.headers.items() if name != "Accept-Encoding"}
        if signer := signer or self.proxy.signers.get(call.key_id):
            headers = {name: value for name, value in headers.items() if name.title() in SIGNED_HEADERS}
            request = AWSRequest(self.command, f"{self.proxy.emulator}{self.path}", headers=headers, data=body)
            SigV4Auth(signer, call.service, call.region).add_auth(request)
            headers = dict(request.headers.items())
        upstream = HTTPConnection(urlsplit(self.proxy.emulator).netloc, timeout=BOUND_SECONDS)
        try:
            upstream.request(self.command, self.path, body, headers)
            response = upstream.getresponse()
            content = response.read()
            self.proxy.secrets.update(secret.decode() for secret in SECRET.findall(content))
            return response.status, content, dict(response.headers)
        finally:
            upstream.close()

    def _answer(self, status: int, content: bytes, headers: Mapping[str, str], *, sent: int | None = None) -> None:
        dropped = {"content-length", "transfer-encoding", "connection", "server"}
        with suppress(ConnectionError):  # the caller may have been killed
            self.send_response_only(status)  # the date is AWS's
            for name, value in headers.items():
                if name.lower() not in dropped:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[:sent])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Do not log: a killed caller closes the connection."""


@contextmanager
def proxy_before(emulator: str) -> Iterator[Proxy]:
    """Run a proxy before an emulator."""
    proxy = Proxy(emulator)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with _Server(("127.0.0.1", 0), handler) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield proxy
        proxy.release()
        server.shutdown()
