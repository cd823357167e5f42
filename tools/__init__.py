"""What a person runs around a deployed stack: prove it, hand it over, adopt, draw, rotate, revoke."""
