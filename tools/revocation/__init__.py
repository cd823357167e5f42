"""The parts of `revoke`: what it does, the calls that AWS must refuse afterwards, and the removal of its policies."""
