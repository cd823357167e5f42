"""The parts of `revoke`: the calls that AWS must refuse afterwards, and the removal of its inline policies."""
