"""A stand-in for the official Pulumi AWS plugin, for an AWS emulator on a loopback address.

`resource` says what a resource type is; `principals`, `policies`, `keys` and `stores` have the types, with property
names as in pulumi-aws 7 and calls as the official plugin makes them; `shapes` goes between AWS's shapes and Pulumi's,
and `errors` explains failures. `session` turns the provider's configuration into AWS clients, `wire` is the values in
the engine's messages, and `service` answers the engine.
"""
