"""Percentiles by nearest rank: always a measured value, never one between two."""

import math
from collections.abc import Iterable, Sequence

SHOWN = (50.0, 95.0, 99.0)


def percentile(ordered: Sequence[float], rank: float) -> float:
    """The smallest value for which at least `rank` per cent are not above it. `ordered` is ascending and not empty."""
    if not ordered:
        raise ValueError("no values, no percentile")
    return ordered[max(0, math.ceil(rank / 100 * len(ordered)) - 1)]


def summary(seconds: Iterable[float]) -> dict[str, float]:
    """`p50`, `p95`, `p99` and `max` in milliseconds, and the number of values as `count`. {} if there are none."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    shown = {f"p{rank:.0f}": round(percentile(ordered, rank) * 1000, 2) for rank in SHOWN}
    return {**shown, "max": round(ordered[-1] * 1000, 2), "count": float(len(ordered))}


def median(values: Sequence[float]) -> float:
    """The mean of the two middle values, if the number is even: the lower one would favour a latency and penalise
    a rate.
    """
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
