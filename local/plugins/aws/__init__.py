"""A stand-in for the official Pulumi AWS plugin, for an AWS emulator on a loopback address.

`service` answers the engine, and `session` turns the provider's configuration into AWS clients. `resource` says what a
resource type is; `iam`, `keys` and `stores` have the types. `shapes` and `wire` translate values.
"""
