"""A push service of browsers, and the browsers behind it (RFC 8030, 8291, 8292)."""
