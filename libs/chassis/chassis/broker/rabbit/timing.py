"""How long things may take at RabbitMQ, in seconds, and how long to wait before the next attempt."""

import random
from dataclasses import dataclass

FIRST_BACKOFF = 0.2


@dataclass(frozen=True, slots=True)
class Timing:
    connect: float = 10.0
    rpc: float = 5.0
    publish: float = 10.0
    """The longest that ``publish_many`` takes. A lease on what is being published has to last longer."""
    watchdog: float = 5.0
    """How often topology and subscriptions are looked after; a silent consumer is replaced after two of these."""
    handler_pause: float = 1.0
    longest_backoff: float = 10.0


def reconnect_delay(failures: int, longest: float) -> float:
    """Seconds before the next connection attempt: doubling with the failures in a row, half of it random.

    Half, not all: after a broker's restart the services come back spread out, but none of them hammers it.
    """
    ceiling = min(longest, FIRST_BACKOFF * 2 ** min(failures, 16))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing
