"""The whole system in one process on embedded parts: what `make up` and `make demo` run."""
