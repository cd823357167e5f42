"""What a person runs around a deployed stack: `python -m tools COMMAND --stack NAME`.

`verify` proves a relationship: `works` is what must work, `refused` what must not, `deployed` what AWS holds; `proof`
is what they are made of, `rounds` how they are run, `patience` when an answer is final, `report` how it is told.
`profile` hands the key over. `rotate` replaces it, as `rotation` decides, after a `trial` of the new; `revoke` ends it,
before `witnesses`. `adopt` takes over what was made by hand, as `adoption` decides. `diagram` draws. `fleet`
runs a command on many stacks, and shows the `standing` of each; both read the `saved` proof. All see a stack through
`stack` and `engine` (the Pulumi CLI), AWS through `callers`, and access keys through `keys`.
"""

import sys

# `python -m tools.verify`, as it was called once, would import a module, do nothing, and end as if all were proven.
for flag, module in zip(sys.orig_argv, sys.orig_argv[1:], strict=False):
    if flag == "-m" and module.startswith("tools.") and module != "tools.__main__":
        words = module.replace(".", " ")
        sys.stderr.write(f"error: `python -m {module}` does nothing. Call it as: python -m {words}\n")
        sys.exit(2)
