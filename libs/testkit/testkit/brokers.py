"""Brokers for tests of publishers."""

from chassis.broker import MemoryBroker
from contracts.topology import TOPOLOGY


class BrokerThatMayBeAway(MemoryBroker):
    """The in-process broker with a switch."""

    def __init__(self) -> None:
        super().__init__(TOPOLOGY)
        self.down = False

    @property
    def connected(self) -> bool:
        return not self.down and super().connected
