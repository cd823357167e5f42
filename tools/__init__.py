"""What a person runs around a deployed stack: `python -m tools COMMAND --stack NAME`.

`verify` proves a relationship: `works` is what must work, `refused` what must not, `deployed` what AWS holds; `proof`
is what they are made of, `report` how it is told. `profile` hands the key over, `rotate` and `revoke` end it, `adopt`
takes over what was made by hand, `diagram` draws. All see a stack through `stack` (the Pulumi CLI), AWS through
`callers`, and access keys through `keys`.
"""

import sys

# `python -m tools.verify`, as it was called once, would import a module, do nothing, and end as if all were proven.
for flag, module in zip(sys.orig_argv, sys.orig_argv[1:], strict=False):
    if flag == "-m" and module.startswith("tools.") and module != "tools.__main__":
        words = module.replace(".", " ")
        sys.stderr.write(f"error: `python -m {module}` does nothing. Call it as: python -m {words}\n")
        sys.exit(2)
