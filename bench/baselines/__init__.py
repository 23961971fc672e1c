"""What the same libraries do without any guarantee: the system's figures are compared with them."""
