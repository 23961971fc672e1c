"""A clock for tests."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Time that advances only when a test says so."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
