"""Templates, their languages and immutable versions, previews."""
