"""The messages that a sink took: how often, and when."""

import time
from collections import Counter


class Tally:
    """Call `take` with a notification's id. Times are of the machine's monotonic clock, which all processes share."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[str, float]] = []

    def take(self, key: str) -> None:
        self.arrivals.append((key, time.monotonic()))

    def clear(self) -> None:
        self.arrivals = []

    @property
    def number(self) -> int:
        return len(self.arrivals)


def copies(arrivals: list[tuple[str, float]]) -> Counter[str]:
    """How often each message was taken."""
    return Counter(key for key, _ in arrivals)
