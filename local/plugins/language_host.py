"""`pulumi-language-python ENGINE-ADDRESS`: runs Python programs for a Pulumi CLI that came without its own.

The official language host is a Go program that starts a Python for each run. This one is Python already, so it runs
the program in its own process, with the SDK's own ``run_in_stack``, as the SDK's automation server does. It does what
this project's programs and policy packs need; anything else is refused by name.
Protocol: https://github.com/pulumi/pulumi/blob/master/proto/pulumi/language.proto
"""

# ruff: noqa: N802, ARG002 - the methods have the names and arguments of the protocol

import contextvars
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict

from local.plugins.process import serve
from local.plugins.protocol import language_pb2 as proto
from local.plugins.protocol import language_pb2_grpc, plugin_pb2

VERSION = "0.0.0"  # of a stand-in: the engine only shows it
# One program runs at a time; the engine asks a few small questions beside it.
THREADS = 4


class PythonLanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
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
        from local.plugins.program import run  # noqa: PLC0415 - the SDK: of two hosts a command, one runs a program

        return contextvars.copy_context().run(run, request)

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """Let the program end by itself: the engine stops answering it."""
        return Empty()


def _python(info: proto.ProgramInfo, folder: Path) -> Path:
    """Return the Python of the virtual environment that the project's runtime options name, or this one."""
    name: object = MessageToDict(info.options).get("virtualenv")
    return folder / str(name) / "bin" / "python" if name else Path(sys.executable)


if __name__ == "__main__":
    register = partial(language_pb2_grpc.add_LanguageRuntimeServicer_to_server, PythonLanguageHost())
    serve(register, threads=THREADS, grace=None)
