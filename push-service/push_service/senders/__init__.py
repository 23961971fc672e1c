"""Providers, one file each. What a provider answers becomes a delivery outcome here, by a table."""
