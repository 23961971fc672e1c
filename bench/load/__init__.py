"""Load generators, each in a process of its own, so that its CPU time is listed separately."""
