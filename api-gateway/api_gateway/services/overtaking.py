"""How far each queue has moved, as the workers' reports show it: what was published well before is not in it any more."""

from collections import defaultdict
from datetime import datetime

from api_gateway.repositories.progress import Moved


class Overtaking:
    """Channel → priority → when the newest message that a worker has consumed had been published.

    A queue hands out messages of one priority in the order in which they came. Each gateway sees its share of the reports,
    which is enough: one message that overtook is proof.
    """

    def __init__(self) -> None:
        self._newest: defaultdict[str, dict[int, datetime]] = defaultdict(dict)

    def consumed(self, moved: Moved) -> None:
        if moved.queued_at is None:  # its report was faster than the mark that it is queued
            return
        seen = self._newest[moved.notification_type]
        before = seen.get(moved.priority)
        if before is None or moved.queued_at > before:
            seen[moved.priority] = moved.queued_at

    def of(self, channel: str) -> dict[int, datetime]:
        return dict(self._newest[channel])
