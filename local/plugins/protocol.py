"""The generated code of Pulumi's provider protocol, taken out of the SDK without loading the SDK itself.

Importing `pulumi.runtime.proto` as usual runs `pulumi/__init__.py` and with it the whole SDK: 0.15 s of CPU, a third
of a plugin's start, in each of the three plugin processes of a `pulumi up` that run no program. The generated modules
need only each other, so empty packages stand in for the SDK's while they are imported.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import grpc


@contextmanager
def _empty_packages() -> Generator[None]:
    root = Path(grpc.__file__).parents[1]  # packages of one environment lie in one folder
    entered = [name for name in ("pulumi", "pulumi.runtime", "pulumi.runtime.proto") if name not in sys.modules]
    for name in entered:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(root.joinpath(*name.split(".")))]
    try:
        yield
    finally:
        for name in entered:
            del sys.modules[name]


with _empty_packages():
    from pulumi.runtime.proto import (
        language_pb2,
        language_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
        status_pb2,
    )

__all__ = ["language_pb2", "language_pb2_grpc", "plugin_pb2", "provider_pb2", "provider_pb2_grpc", "status_pb2"]
