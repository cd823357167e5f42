"""Property values as the engine sends them (protobuf Struct) and as this plugin uses them (plain Python).

Secrets: the plugin tells the engine that it does not accept secrets, so a resource's inputs arrive in plain text and
the engine itself marks the outputs of the same names. Outputs that AWS makes secret are marked here.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, cast

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

# The marks of the protocol, as `pulumi.runtime.rpc` has them; importing that would load the whole SDK (see
# `plugins.protocol`), so a test compares them instead.
UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, not a secret
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

# The values of a resource or provider under Pulumi's property names. `Any`, because what a value may be is checked
# at run time, against the table of the resource type.
Properties = dict[str, Any]


def decode(struct: Struct) -> Properties:
    """Return the properties that are not null, with whole numbers as integers and secrets unwrapped."""
    return {key: _plain(value) for key, value in MessageToDict(struct).items() if value is not None}


def encode(values: Mapping[str, Any], secrets: Collection[str] = ()) -> Struct:
    """Return `values` for the wire; those named in `secrets` are marked as Pulumi secrets."""
    struct = Struct()
    struct.update(
        {key: {SIGNATURE: SECRET, "value": value} if key in secrets else value for key, value in values.items()}
    )
    return struct


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of the protocol
    if isinstance(value, dict):
        fields = cast("Properties", value)
        if fields.get(SIGNATURE) in (SECRET, OUTPUT):
            return _plain(fields.get("value", UNKNOWN))
        return {key: _plain(item) for key, item in fields.items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    # The wire has only floating-point numbers; AWS's are whole.
    return int(value) if isinstance(value, float) and value.is_integer() else value
