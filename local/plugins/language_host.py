"""`pulumi-language-python ENGINE-ADDRESS`: runs Python programs for a Pulumi CLI that came without its own.

The official language host is a Go program that starts a Python for each run. This one is Python already, so it runs
the program in its own process, with the SDK's own ``run_in_stack``, as the SDK's automation server does. It does what
this project's programs and policy packs need; anything else is refused by name.
Protocol: https://github.com/pulumi/pulumi/blob/master/proto/pulumi/language.proto
"""

# ruff: noqa: N802, ARG002 - the methods have the names and arguments of the protocol

import asyncio
import contextvars
import logging
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from pulumi import log
from pulumi.errors import RunError
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2 as proto
from pulumi.runtime.proto import plugin_pb2
from pulumi.runtime.proto.language_pb2_grpc import (
    LanguageRuntimeServicer,
    add_LanguageRuntimeServicer_to_server,
)

from local.plugins.process import serve

VERSION = "0.0.0"  # of a stand-in: the engine only shows it
# One program runs at a time; the engine asks a few small questions beside it.
THREADS = 4
# The SDK's own factor: registrations block a thread each while the engine works on them.
THREADS_PER_PARALLEL = 4


class PythonLanguageHost(LanguageRuntimeServicer):
    """Answers the engine."""

    def Handshake(
        self, request: proto.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> proto.LanguageHandshakeResponse:
        """Agree on the protocol's options: none."""
        return proto.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Tell the version."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def About(self, request: proto.AboutRequest, context: grpc.ServicerContext) -> proto.AboutResponse:
        """Tell which Python this is, for `pulumi about`."""
        return proto.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def GetRequiredPackages(
        self, request: proto.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> proto.GetRequiredPackagesResponse:
        """Name no plugins to install beforehand: the engine finds the one it needs when a resource asks for it."""
        return proto.GetRequiredPackagesResponse()

    def GetProgramDependencies(
        self, request: proto.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> proto.GetProgramDependenciesResponse:
        """Name the installed packages, for `pulumi about`."""
        return proto.GetProgramDependenciesResponse(
            dependencies=[
                proto.DependencyInfo(name=item.metadata["Name"], version=item.version) for item in distributions()
            ]
        )

    def RuntimeOptionsPrompts(
        self, request: proto.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> proto.RuntimeOptionsResponse:
        """Ask the user nothing."""
        return proto.RuntimeOptionsResponse()

    def InstallDependencies(
        self, request: proto.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[proto.InstallDependenciesResponse]:
        """Make the virtual environment and install requirements.txt into it, for `pulumi install`."""
        folder = Path(request.directory)
        python = _python(request.info, folder)
        environment = python.parent.parent
        commands = [] if python.exists() else [[sys.executable, "-m", "venv", str(environment)]]
        commands.append([str(python), "-m", "pip", "install", "--requirement", "requirements.txt"])
        for command in commands:
            process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for line in process.stdout or ():
                yield proto.InstallDependenciesResponse(stdout=line)
            if process.wait() != 0:
                context.abort(grpc.StatusCode.UNKNOWN, f"`{' '.join(command)}` failed: see its output above")

    def RunPlugin(
        self, request: proto.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[proto.RunPluginResponse]:
        """Run a plugin that is written in Python, such as a policy pack, until it ends."""
        program = Path(request.info.program_directory or request.program)
        command = [str(_python(request.info, program)), "-u", str(program), *request.args]
        environment = dict(entry.split("=", 1) for entry in request.env) if request.env else None
        process = subprocess.Popen(
            command, cwd=request.pwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        context.add_callback(process.terminate)  # also when the engine goes away
        for line in process.stdout or ():
            yield proto.RunPluginResponse(stdout=line)
        yield proto.RunPluginResponse(exitcode=process.wait())

    def Run(self, request: proto.RunRequest, context: grpc.ServicerContext) -> proto.RunResponse:
        """Run the program; an error is reported to the user once, then the run is given up."""
        return contextvars.copy_context().run(_run, request)

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """Let the program end by itself: the engine stops answering it."""
        return Empty()


def _python(info: proto.ProgramInfo, folder: Path) -> Path:
    """Return the Python of the virtual environment that the project's runtime options name, or this one."""
    name: object = MessageToDict(info.options).get("virtualenv")
    return folder / str(name) / "bin" / "python" if name else Path(sys.executable)


def _run(request: proto.RunRequest) -> proto.RunResponse:
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
    loop.set_exception_handler(_quiet_when_disconnected)
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


def _quiet_when_disconnected(loop: asyncio.AbstractEventLoop, details: dict[str, Any]) -> None:
    """Stop on a lost engine; report anything else."""
    if isinstance(details.get("exception"), grpc.RpcError):
        loop.stop()
    else:
        loop.default_exception_handler(details)


if __name__ == "__main__":
    serve(partial(add_LanguageRuntimeServicer_to_server, PythonLanguageHost()), threads=THREADS, grace=None)
