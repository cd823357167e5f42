"""The parts of a proof: what is tried, and what each answer of AWS shows."""
