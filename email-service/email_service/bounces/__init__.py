"""Bounces and complaints: mails that come back, and what follows from them."""
