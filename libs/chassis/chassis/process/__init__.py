"""How work runs inside a process: batched, repeated, protected from failing dependencies, shared fairly."""
