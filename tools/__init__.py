"""What a person runs around a stack: `python -m tools COMMAND --stack NAME`.

`commands` has one file a command, `proof`, `rotation` and `revocation` their parts, `aws` what they ask of AWS, and the
modules beside them what all of them share.
"""
