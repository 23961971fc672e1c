"""Every line of SQL of the e-mail service, but for the ledger's (libs/delivery)."""
