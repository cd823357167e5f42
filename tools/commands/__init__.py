"""One file a command of `python -m tools`: its arguments, and what it does."""
