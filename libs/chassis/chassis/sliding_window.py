"""How many calls there were lately, and how many failed: counted in buckets, so a call costs the same at any rate."""

from dataclasses import dataclass, field

BUCKETS = 10


@dataclass(slots=True)
class _Bucket:
    calls: int = 0
    failures: int = 0


@dataclass(slots=True)
class SlidingWindow:
    """Counts calls and failures of the last `seconds`, exact to a tenth of that.

    `now` is monotonic, in seconds, and is given by the caller. Costs at most BUCKETS steps, whatever the rate.
    """

    seconds: float
    calls: int = 0
    failures: int = 0
    _buckets: list[_Bucket] = field(default_factory=lambda: [_Bucket() for _ in range(BUCKETS)])
    _position: int = 0

    def record(self, now: float, *, failures: int) -> None:
        """One call, with `failures` 0 or 1."""
        self.expire(now)
        bucket = self._buckets[self._position % BUCKETS]
        bucket.calls += 1
        bucket.failures += failures
        self.calls += 1
        self.failures += failures

    def expire(self, now: float) -> None:
        """Forgets what has left the window."""
        position = int(now / self.seconds * BUCKETS)
        for step in range(max(self._position + 1, position - BUCKETS + 1), position + 1):
            self._empty(self._buckets[step % BUCKETS])
        self._position = max(position, self._position)

    def clear(self) -> None:
        for bucket in self._buckets:
            self._empty(bucket)

    def _empty(self, bucket: _Bucket) -> None:
        self.calls -= bucket.calls
        self.failures -= bucket.failures
        bucket.calls = bucket.failures = 0
