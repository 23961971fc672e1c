"""All SQL of the e-mail service, except for the ledger's (libs/delivery)."""
