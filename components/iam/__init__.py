"""Facts of AWS IAM: ARNs, policy documents, and limits. Standard library only.

`arns` names things, `documents` builds, compares and measures policy documents, `permissions` reads what they allow,
`endpoints` judges the address of an emulator, `limits` has AWS's numbers, `names` the default names, `owner` the tag
and `outputs` the terms.
"""

from typing import Final, Literal, TypeAlias

NAMESPACE: Final = "assume-role"
"""The namespace of the configuration, which is the name of the project."""

Side: TypeAlias = Literal["trusting", "trusted"]
"""One of the two accounts: the trusting one hosts the role, the trusted one hosts the user."""
SIDES: Final[tuple[Side, ...]] = ("trusting", "trusted")
