"""What the same libraries do without any promise: what the system's figures are compared with."""
