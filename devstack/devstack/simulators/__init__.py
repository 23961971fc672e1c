"""Simulators of the providers for the embedded stack: an SMTP server and an FCM HTTP v1 server with one inbox page.

They record every message that they take, so that a person can read it and a test can count what reached the provider.
"""
