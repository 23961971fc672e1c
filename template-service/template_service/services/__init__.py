"""The rules: what may be saved, what becomes a version, which language and version a reader gets."""
