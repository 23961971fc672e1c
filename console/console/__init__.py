"""A web client of the gateway's public API, for people: it owns nothing and speaks to nothing else."""
