"""SMTP: connections that are kept, one dialogue a message, and a table of what replies mean."""
