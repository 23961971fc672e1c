"""Bounces and complaints: mails that come back, and their effects."""
