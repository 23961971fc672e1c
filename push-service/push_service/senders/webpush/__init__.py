"""Web Push: any browser, through the push service of its vendor (RFC 8030)."""
