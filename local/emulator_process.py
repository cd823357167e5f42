"""The process of the embedded AWS: ministack, which ends when the file that says that it runs is deleted.

After `rm -rf .local` nobody could stop it any more, and it would still know what the stack has forgotten.
Usage: python emulator_process.py DESCRIPTOR, the open file.
"""

import os
import sys
import threading
import time

from ministack.app import main

CHECK_SECONDS = 0.2


def _end_without(record: int) -> None:
    while os.fstat(record).st_nlink:
        time.sleep(CHECK_SECONDS)
    os._exit(1)  # it must save nothing: that would make the deleted folder again


if __name__ == "__main__":
    threading.Thread(target=_end_without, args=(int(sys.argv.pop()),), daemon=True).start()
    main()
