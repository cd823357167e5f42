"""`pulumi-language-python ENGINE-ADDRESS`: runs Python programs for a Pulumi CLI that came without its own.

The official language host starts a Python for each run. This one is Python already, so it runs the program in its own
process. It does what `up`, `preview`, policy packs and components in Python need; the rest is not implemented.
Protocol: https://github.com/pulumi/pulumi/blob/master/proto/pulumi/language.proto
"""

# ruff: noqa: N802, ARG002 - the methods have the names and arguments of the protocol

import contextvars
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
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

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Tell the version."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def RunPlugin(
        self, request: proto.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[proto.RunPluginResponse]:
        """Run a plugin that is written in Python, such as a policy pack, until it ends."""
        program = Path(request.info.program_directory or request.program)
        virtual: object = MessageToDict(request.info.options).get("virtualenv")
        python = program / str(virtual) / "bin" / "python" if virtual else Path(sys.executable)
        command = [str(python), "-u", str(program), *request.args]
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


if __name__ == "__main__":
    register = partial(language_pb2_grpc.add_LanguageRuntimeServicer_to_server, PythonLanguageHost())
    serve(register, threads=THREADS, grace=None)
