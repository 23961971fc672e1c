"""Every line of SQL."""
