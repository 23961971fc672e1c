"""The single base URL: it authenticates, limits, de-duplicates, durably accepts and publishes notifications."""
