"""The HTTP code that all services share: one form of answers, clear errors, limits, documentation."""
