"""A Python program, run as the engine asks for it, in this process and with the SDK's own ``run_in_stack``."""

import asyncio
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

import grpc
from pulumi import log
from pulumi.errors import RunError
from pulumi.runtime import reset_options, run_in_stack, set_all_config

from local.plugins.protocol import language_pb2 as proto

# The SDK's own factor: registrations block a thread each while the engine works on them.
THREADS_PER_PARALLEL = 4


def run(request: proto.RunRequest) -> proto.RunResponse:
    """Run the program; an error is reported to the user once, then the run is given up."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # failed tasks are reported by the SDK itself
    reset_options(
        project=request.project,
        monitor_address=request.monitor_address,
        engine_address=request.args[0] if request.args else "",
        stack=request.stack,
        parallel=request.parallel,
        preview=request.dryRun,
        organization=request.organization or "organization",
        root_directory=request.info.root_directory,
    )
    set_all_config(dict(request.config), list(request.configSecretKeys))
    folder = Path(request.info.program_directory) / request.info.entry_point
    os.chdir(request.pwd)
    sys.path.insert(0, str(folder))
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=max(request.parallel, 1) * THREADS_PER_PARALLEL))
    try:
        loop.run_until_complete(run_in_stack(partial(_run_program, folder)))
    except RunError as error:
        return _failed(str(error))
    except grpc.RpcError as error:
        call = cast("grpc.Call", error)
        if call.code() == grpc.StatusCode.UNAVAILABLE:  # the engine is shutting down and knows why
            return proto.RunResponse(bail=True)
        return _failed(f"RPC error: {call.details()}")
    except SystemExit as error:
        return _failed(f"the program exited with {error.code}") if error.code else proto.RunResponse()
    except BaseException:  # noqa: BLE001 - whatever a program raises is the user's to see
        return _failed(f"Program failed with an unhandled exception:\n{_own_frames()}")
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                loop.run_until_complete(task)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return proto.RunResponse()


def _run_program(folder: Path) -> None:
    runpy.run_path(str(folder), run_name="__main__")


def _failed(message: str) -> proto.RunResponse:
    """Report the message to the user; ``bail`` keeps the engine from adding one of its own."""
    log.error(message)
    return proto.RunResponse(bail=True)


def _own_frames() -> str:
    """Return the current exception's trace from the program on, without what started it."""
    kind, value, trace = sys.exc_info()
    frames = traceback.extract_tb(trace)
    program, ours = os.getcwd(), (sys.prefix, __file__)  # noqa: PTH109 - compared with texts
    files = [frame.filename for frame in frames]
    own = (n for n, file in enumerate(files) if file.startswith(program) and not file.startswith(ours))
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames[next(own, 0) :])]
    return "".join([*lines, *traceback.format_exception_only(kind, value)])
