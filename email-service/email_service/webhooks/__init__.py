"""Webhooks of e-mail providers: each provider's signature, its events, and their effects."""
