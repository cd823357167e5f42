"""A KMS that hands back what it gets: the stacks of most tests have their secrets under its key.

To derive a key from a passphrase is two fifths of a command's time, even from the empty one of an emulated stack.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Kms(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = call.get("Plaintext") or call["CiphertextBlob"]
        body = json.dumps({"KeyId": "open", "Plaintext": content, "CiphertextBlob": content}).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def open_kms() -> Iterator[str]:
    """Serve, and yield the secrets provider that a stack is initialized with."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Kms) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"awskms://open?region=us-east-1&endpoint=http://127.0.0.1:{server.server_port}&anonymous=true"
        server.shutdown()
