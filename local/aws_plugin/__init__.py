"""A stand-in for the official Pulumi AWS plugin, for an AWS emulator on a loopback address.

`resource` says what a resource type is, `iam` and `stores` are the tables of the types, `rules` holds AWS's
limits on their inputs, `session` turns the provider's configuration into AWS clients, `protocol` and `wire` are the
engine's messages and their values, and `service` answers the engine.
"""
