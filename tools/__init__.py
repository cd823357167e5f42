"""What a person runs around a deployed stack, each with `python -m tools.NAME --stack STACK`.

`verify` proves a relationship: `checks` and `refusals` are what must and must not work, `deployed` is what AWS holds,
`permissions` reads policy documents, and `proof` is what they are made of. `profile` hands the key over, `rotate` and
`revoke` end it, `adopt` takes over what was made by hand, `diagram` draws. All see a stack through `stack` (the Pulumi
CLI), the accounts through `aws`, and access keys through `keys`.
"""
