"""How many messages a recipients' domain gets at once: fewer after it refused some for now, slowly more afterwards."""

import math

PAUSE_AFTER = 3  # different recipients refused in a row; one recipient alone says little about the domain
MAX_PAUSE_SECONDS = 300.0
HEALTHY_SECONDS = 600.0  # without a refusal: then the domain counts as recovered, however little was sent


class DomainLimit:
    """Additive increase, multiplicative decrease, as TCP does it.

    A refusal halves the limit, at most once for the messages that were on their way together; a message that the domain
    takes raises it by 1 / limit, so that a whole round of them raises it by one. PAUSE_AFTER refusals in a row pause the
    domain. Then one message at a time probes it: each probe that is refused doubles the pause, from `first_pause` seconds up
    to MAX_PAUSE_SECONDS.

    `most` is the limit of a healthy domain (`math.inf`: none); one whose limit has grown to `recovered` is healthy again.
    `now` and `began` (when the message got its place) are readings of one clock in seconds.
    """

    __slots__ = (
        "_cut_at",
        "_first_pause",
        "_limit",
        "_most",
        "_paused_at",
        "_paused_until",
        "_pauses",
        "_recovered",
        "_refused",
        "_refused_at",
        "in_flight",
    )

    def __init__(self, *, most: float, recovered: int, first_pause: float) -> None:
        self.in_flight = 0
        self._most = self._limit = most
        self._recovered = recovered
        self._first_pause = first_pause
        self._pauses = 0  # since the last accepted message
        self._refused: set[str] = set()  # recipients, since the last accepted message or pause
        self._refused_at = self._cut_at = self._paused_at = self._paused_until = -math.inf

    def at_once(self, now: float) -> float:
        """The messages that may be on their way at once, at least one; a fraction counts towards the next."""
        if not self.is_throttled(now):
            self._recover()
        return self._limit

    def is_throttled(self, now: float) -> bool:
        """Whether the domain refused messages lately, and has not taken enough since."""
        as_usual = self._limit >= self._most and not self._pauses and not self._refused
        return not as_usual and now - self._refused_at <= HEALTHY_SECONDS

    def pause_left(self, now: float) -> float:
        return max(0.0, self._paused_until - now)

    def is_free(self, now: float) -> bool:
        """Whether one more message may go now."""
        return now >= self._paused_until and self.in_flight + 1 <= self.at_once(now)

    def accepted(self, *, began: float) -> None:
        """The domain took a message."""
        if began < self._cut_at:  # it was sent before the last refusal: it says nothing new
            return
        self._pauses = 0
        self._refused.clear()
        self._limit += 1 / self._limit
        if self._limit >= self._recovered:
            self._recover()

    def refused(self, who: str, *, began: float, now: float, asked: float | None = None) -> bool:
        """The domain refused a message to `who` for now, and asked for `asked` seconds. Returns whether that pauses it."""
        self._refused_at = now
        if began < self._paused_at:
            return False
        self._refused.add(who)
        if began >= self._cut_at:
            self._cut_at = now
            self._limit = max(1.0, min(self._limit, self.in_flight) / 2)
        if not self._pauses and len(self._refused) < PAUSE_AFTER:
            return False
        self._paused_at = self._cut_at = now
        self._paused_until = now + self._pause(asked)
        self._pauses += 1
        self._refused.clear()
        self._limit = 1.0
        return True

    def _recover(self) -> None:
        self._limit = self._most
        self._pauses = 0
        self._refused.clear()

    def _pause(self, asked: float | None) -> float:
        doubled = self._first_pause * 2.0 ** min(self._pauses, 64)
        return min(MAX_PAUSE_SECONDS, max(doubled, asked or 0.0))
