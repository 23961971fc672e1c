"""The rules: what may be saved, what makes a version, and which language and version a reader gets."""
