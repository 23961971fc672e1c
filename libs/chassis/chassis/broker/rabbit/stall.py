"""Notices a consumer that the broker has forgotten without a word."""


class StallDetector:
    """A consumer with room that receives nothing for ``patience`` seconds, while its queue has messages, is stalled."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._received = 0
        self._idle_since: float | None = None

    def stalled(self, *, received: int, waiting: bool, now: float) -> bool:
        """``received``: how many so far; ``waiting``: messages are ready, and there is room; ``now``: in seconds."""
        if received != self._received or not waiting:
            self._received = received
            self._idle_since = None
            return False
        if self._idle_since is None:
            self._idle_since = now
        return now - self._idle_since >= self._patience
