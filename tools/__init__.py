"""What a person runs around a stack: `python -m tools COMMAND --stack NAME`.

`commands` has one file a command, `proof` the parts of a proof, and the modules beside them what these share.
"""
