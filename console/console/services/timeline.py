"""A notification's timeline as rows of a picture: what happened, when, how long it took, and where it lies in the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from console.services.words import span, tone, words
from notifications import NotificationDetail, TimelineEntry

TITLES = {
    "accepted": "Accepted",
    "queued": "Handed to the queue",
    "held": "Held",
    "released": "Released",
    "retrying": "A try failed; it is tried again",
    "replayed": "Tried again by hand",
    "sent": "The provider took it",
    "delivered": "Delivery confirmed",
    "failed": "Failed",
    "suppressed": "Suppressed",
    "cancelled": "Cancelled",
    "expired": "Expired",
    "unknown": "No answer; it may have arrived",
}
WHOLE, LEAST = 1_000, 6  # the track's width, and the least that can be seen of it


@dataclass(frozen=True, slots=True)
class Step:
    """`left`: where the step begins. `width`: how long it took. Both in thousandths of the whole."""

    title: str
    tone: str
    at: datetime
    after: str
    left: int
    width: int
    code: str | None
    detail: str | None
    provider: str | None
    device: str | None
    provider_timestamp: datetime | None


def steps_of(n: NotificationDetail) -> Sequence[Step]:
    entries = n.timeline
    if not entries:
        return []
    began, before = entries[0].at, entries[0].at
    whole = max((entries[-1].at - began).total_seconds(), 0.001)
    steps = []
    for entry in entries:
        left, right = ((at - began).total_seconds() / whole for at in (before, entry.at))
        steps.append(_step(entry, began, left, right))
        before = entry.at
    return steps


def _step(entry: TimelineEntry, began: datetime, left: float, right: float) -> Step:
    start = min(round(left * WHOLE), WHOLE - LEAST)
    after = (entry.at - began).total_seconds()
    return Step(
        title=_title(entry),
        tone=tone(entry.status),
        at=entry.at,
        after=f"+{span(after)}" if after else "",
        left=max(0, start),
        width=max(LEAST, round(right * WHOLE) - start),
        code=entry.code,
        detail=entry.detail,
        provider=entry.provider,
        device=entry.device,
        provider_timestamp=entry.provider_timestamp,
    )


def _title(entry: TimelineEntry) -> str:
    title = TITLES.get(entry.status, words(entry.status))
    return f"Try {entry.attempts} failed; it is tried again" if entry.status == "retrying" and entry.attempts else title
