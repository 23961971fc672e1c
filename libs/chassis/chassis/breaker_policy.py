"""The values a circuit breaker is described by: its states, its policy, its refusal and its metric."""

import math
from dataclasses import dataclass
from enum import IntEnum
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Gauge

from chassis.errors import Unavailable


class BreakerState(IntEnum):
    """The numbers are the values of the metric `circuit_breaker_state`."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Opens for `open_seconds` when `failure_rate` of at least `minimum_calls` in `window_seconds` failed.

    Then closes after `probes` successes, of which as many may be under way at once.
    """

    window_seconds: float = 30.0
    minimum_calls: int = 10
    failure_rate: float = 0.5
    open_seconds: float = 10.0
    probes: int = 2


class CircuitOpen(Unavailable):
    """The call was not made. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after=max(1, math.ceil(retry_after)))
        self.retry_after = retry_after


_gauges: WeakKeyDictionary[CollectorRegistry, Gauge] = WeakKeyDictionary()


def breaker_metrics(registry: CollectorRegistry) -> Gauge:
    """The gauge `circuit_breaker_state{name}` of `registry`, made at the first call: a registry takes a name only once.

    Use: `CircuitBreaker("smtp", on_change=breaker_metrics(registry).labels("smtp").set)`.
    """
    if registry not in _gauges:
        _gauges[registry] = Gauge(
            "circuit_breaker_state",
            "0 closed, 1 half open, 2 open",
            ["name"],
            registry=registry,
            multiprocess_mode="livemax",  # of several processes the worst off
        )
    return _gauges[registry]
