"""Logs, metrics, correlation ids and traces."""
