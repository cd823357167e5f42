"""What the tools know of AWS: who calls it, its errors, a user's keys and policies, and propagation delays."""
