"""Providers, one file or package each. They translate a provider's responses into delivery outcomes."""
