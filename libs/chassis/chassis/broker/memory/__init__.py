"""The in-process broker of the embedded stack and of tests."""

from chassis.broker.memory.broker import MemoryBroker

__all__ = ["MemoryBroker"]
