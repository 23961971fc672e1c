"""Every line of the gateway's SQL. Set-based: a statement takes a group, as JSON, and does it in one round trip."""
