"""The gateway's rules."""
