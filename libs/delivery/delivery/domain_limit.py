"""The limit of simultaneous messages to a recipients' domain. Refusals lower it; accepted messages raise it slowly."""

import math

PAUSE_AFTER = 3  # different recipients refused in a row; one recipient alone says little about the domain
MAX_PAUSE_SECONDS = 300.0
HEALTHY_SECONDS = 600.0  # after so long without a refusal the domain counts as recovered, even if little was sent


class DomainLimit:
    """Additive increase, multiplicative decrease, as TCP does it.

    A refusal halves the limit, but only once for messages that were in flight together. An accepted message raises the
    limit by 1 / limit, so as many accepted messages as the limit raise it by one. PAUSE_AFTER refusals in a row pause the
    domain. Then one message at a time probes it. Each refused probe doubles the pause, from `first_pause` seconds up to
    MAX_PAUSE_SECONDS.

    `max_in_flight` is the limit of a healthy domain (`math.inf`: none). A domain whose limit has grown to `recovered` is
    healthy again. `now` and `began` (when the message got its permit) are readings of one clock, in seconds.
    """

    __slots__ = (
        "_cut_at",
        "_first_pause",
        "_limit",
        "_max_in_flight",
        "_paused_at",
        "_paused_until",
        "_pauses",
        "_recovered",
        "_refused",
        "_refused_at",
        "in_flight",
    )

    def __init__(self, *, max_in_flight: float, recovered: int, first_pause: float) -> None:
        self.in_flight = 0
        self._max_in_flight = self._limit = max_in_flight
        self._recovered = recovered
        self._first_pause = first_pause
        self._pauses = 0  # since the last accepted message
        self._refused: set[str] = set()  # recipient keys, since the last accepted message or pause
        self._refused_at = self._cut_at = self._paused_at = self._paused_until = -math.inf

    def at_once(self, now: float) -> float:
        """How many messages may be in flight at once, at least one. A fraction counts towards the next whole message."""
        if not self.is_throttled(now):
            self._recover()
        return self._limit

    def is_throttled(self, now: float) -> bool:
        """Whether the domain refused messages lately, and has not accepted enough since then."""
        healthy = self._limit >= self._max_in_flight and not self._pauses and not self._refused
        return not healthy and now - self._refused_at <= HEALTHY_SECONDS

    def pause_left(self, now: float) -> float:
        return max(0.0, self._paused_until - now)

    def is_free(self, now: float) -> bool:
        """Whether one more message may be sent now."""
        return now >= self._paused_until and self.in_flight + 1 <= self.at_once(now)

    def note_accepted(self, *, began: float) -> None:
        """The domain accepted a message."""
        if began < self._cut_at:  # it was sent before the last refusal, so it proves nothing new
            return
        self._pauses = 0
        self._refused.clear()
        self._limit += 1 / self._limit
        if self._limit >= self._recovered:
            self._recover()

    def note_refused(
        self, recipient_key: str, *, began: float, now: float, requested_pause: float | None = None
    ) -> bool:
        """The domain refused a message to one recipient for now. Returns whether this pauses the domain.

        `requested_pause`: the pause that the domain asked for, in seconds.
        """
        self._refused_at = now
        if began < self._paused_at:
            return False
        self._refused.add(recipient_key)
        if began >= self._cut_at:
            self._cut_at = now
            self._limit = max(1.0, min(self._limit, self.in_flight) / 2)
        if not self._pauses and len(self._refused) < PAUSE_AFTER:
            return False
        self._paused_at = self._cut_at = now
        self._paused_until = now + self._pause(requested_pause)
        self._pauses += 1
        self._refused.clear()
        self._limit = 1.0
        return True

    def _recover(self) -> None:
        self._limit = self._max_in_flight
        self._pauses = 0
        self._refused.clear()

    def _pause(self, requested_pause: float | None) -> float:
        doubled = self._first_pause * 2.0 ** min(self._pauses, 64)
        return min(MAX_PAUSE_SECONDS, max(doubled, requested_pause or 0.0))
