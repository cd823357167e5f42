"""The parts of `rotate`: the decision what comes next, and the trial of the new key."""
