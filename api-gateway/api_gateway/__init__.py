"""The single base URL: authenticates, limits, de-duplicates, durably accepts and publishes notifications."""
