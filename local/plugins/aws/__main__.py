"""`pulumi-resource-aws [ENGINE-ADDRESS]`: serve one provider until the engine ends this process."""

from functools import partial
from typing import Final

from local.plugins.aws.service import AwsPlugin
from local.plugins.process import serve
from local.plugins.protocol import provider_pb2_grpc

# The engine's default parallelism is higher, but an emulator on the same machine answers no faster for it.
THREADS: Final = 16
# What AWS was asked to create must still be reported, or nobody knows of it.
GRACE_SECONDS: Final = 60

if __name__ == "__main__":
    register = partial(provider_pb2_grpc.add_ResourceProviderServicer_to_server, AwsPlugin())
    serve(register, threads=THREADS, grace=GRACE_SECONDS)
