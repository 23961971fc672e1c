"""One provider a file or a family of files; a provider's answers become outcomes here."""
