"""An IAM assume-role relationship between two AWS accounts, as Pulumi components.

Names are imported on first use: the standard-library code in ``iam`` is used without loading Pulumi.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .models import (
        AccessKeyArgs,
        AccountArgs,
        KeyStatus,
        PolicyArgs,
        RoleArgs,
        StoreArgs,
        StoreKind,
        TrustArgs,
        UserArgs,
    )
    from .relationship import Relationship
    from .relationship_args import RelationshipArgs
    from .trusted_user import TrustedUser, TrustedUserArgs
    from .trusting_role import TrustingRole, TrustingRoleArgs

__all__ = ["AccessKeyArgs", "AccountArgs", "KeyStatus", "PolicyArgs", "Relationship", "RelationshipArgs", "RoleArgs"]
__all__ += ["StoreArgs", "StoreKind", "TrustArgs", "TrustedUser", "TrustedUserArgs", "TrustingRole"]
__all__ += ["TrustingRoleArgs", "UserArgs"]
# All others are in `models`.
_MODULES = {
    "Relationship": "relationship",
    "RelationshipArgs": "relationship_args",
    **dict.fromkeys(("TrustedUser", "TrustedUserArgs"), "trusted_user"),
    **dict.fromkeys(("TrustingRole", "TrustingRoleArgs"), "trusting_role"),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES.get(name, 'models')}", __name__), name)
