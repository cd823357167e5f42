"""What AWS has of a stack that the state does not: look it up, import it, recover after a deployment that failed."""
