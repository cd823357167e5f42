"""The process of the AWS emulator: ministack, which ends when the file that says that it runs is deleted.

After `rm -rf .local` nobody could stop it any more, and it would still know what the stack has forgotten.
Usage: python emulator_process.py DESCRIPTOR, the open file.
"""

import json
import os
import sys
import threading
import time
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ministack.app import main
from ministack.services import iam, sts

CHECK_SECONDS = 0.2
# Parameters that ministack answers with in an encoding of their own; any other it writes into its XML unchanged.
DOCUMENTS = ("AssumeRolePolicyDocument", "PolicyDocument", "Policy")


def _escaped(query: str) -> dict[str, list[str]]:
    """Parse the body of a request; texts come out escaped, so that they stand in the answers as XML."""
    return {
        name: values if name in DOCUMENTS else [escape(value, {"\r": "&#13;"}) for value in values]
        for name, values in parse_qs(query).items()
    }


def _end_without(record: int) -> None:
    while os.fstat(record).st_nlink:
        time.sleep(CHECK_SECONDS)
    os._exit(1)  # it must save nothing: that would make the deleted folder again


if __name__ == "__main__":
    iam.parse_qs = sts.parse_qs = _escaped
    record = int(sys.argv.pop())
    os.write(record, json.dumps({"pid": os.getpid()}).encode())  # nobody could find it again where the disk is full
    threading.Thread(target=_end_without, args=(record,), daemon=True).start()
    main()
