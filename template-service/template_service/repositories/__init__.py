"""Every line of SQL of this service."""
