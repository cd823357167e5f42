"""What a person runs around a deployed stack: `python -m tools COMMAND --stack NAME`.

`verify` proves a relationship: `works` is what must work, `refused` what must not, `deployed` what AWS holds; `proof`
is what they are made of, `rounds` how they are run, `window` and `changes` when an answer is final, `report` how it is
told. `profile` hands the key over, `rotate` and `revoke` end it, `adopt` takes over what was made by hand, `diagram`
draws. All see a stack through `stack` (the Pulumi CLI), AWS through `callers`, and access keys through `keys`.
"""
