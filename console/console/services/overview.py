"""What the overview says: figures as people read them, and the columns of its charts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from console.services.words import channel, number, span
from notifications import Statistics, StatisticsStep

Period = Literal["hour", "day", "week"]
PERIODS: dict[Period, str] = {"hour": "the last hour", "day": "the last 24 hours", "week": "the last 7 days"}
TABS: dict[Period, str] = {"hour": "Hour", "day": "24 hours", "week": "7 days"}
STEPS: dict[Period, str] = {"hour": "minute", "day": "quarter of an hour", "week": "two hours"}
PROBLEM, WAITING, FINE = "bad", "wait", ""  # tones
LONG_SECONDS = 60.0  # what waits longer is worth a look


class Tile(BaseModel, frozen=True):
    """One figure. `link` is where more is said about it; empty: nowhere."""

    name: str
    title: str
    value: str
    note: str
    tone: str = FINE
    link: str = ""
    link_text: str = ""


class Row(BaseModel, frozen=True):
    """A step in which something was accepted, with its figures in the order of the table."""

    at: datetime
    figures: Sequence[str]


class Overview(BaseModel, frozen=True):
    """The page without its frame. `rows`: newest first."""

    empty: bool
    until: datetime
    tiles: Sequence[Tile]
    balance: str
    tone: str
    latency: str
    rows: Sequence[Row]


def overview_of(found: Statistics) -> Overview:
    balance = found.balance
    return Overview(
        empty=balance.accepted == 0 and found.oldest_waiting is None,
        until=found.until,
        tiles=_tiles(found),
        balance=_sentence(found),
        tone="bad" if balance.difference else "good",
        latency=_latency(found),
        rows=[_row(step) for step in reversed(found.steps) if step.accepted],
    )


def columns_of(found: Statistics) -> dict[str, Any]:
    """For the charts: a list of each figure, a value a step. `at` is in seconds since 1970."""
    columns: dict[str, Any] = {
        name: [getattr(step, name) for step in found.steps]
        for name in ("accepted", "sent", "delivered", "failed", "in_work")
    }
    columns["at"] = [int(step.at.timestamp()) for step in found.steps]
    columns["p50"] = [step.latency.p50 for step in found.steps]
    columns["p95"] = [step.latency.p95 for step in found.steps]
    return {"step": found.step_seconds, **columns}


def _tiles(found: Statistics) -> list[Tile]:
    accepted, by_status = found.balance.accepted, found.by_status
    delivered, failed = by_status.get("delivered", 0), by_status.get("failed", 0)
    sent = by_status.get("sent", 0) + delivered
    queued, pending = by_status.get("queued", 0), by_status.get("pending", 0)
    return [
        Tile(name="accepted", title="Accepted", value=number(accepted), note=_rate(found)),
        Tile(
            name="sent",
            title="Sent",
            value=number(sent),
            note=_share(sent, accepted, f"{number(delivered)} delivered"),
        ),
        Tile(
            name="failed",
            title="Failed",
            value=number(failed),
            note=_share(failed, accepted),
            tone=PROBLEM if failed else FINE,
            link="/failed",
            link_text="Reasons",
        ),
        Tile(
            name="in_work",
            title="In work",
            value=number(found.balance.in_work),
            note=f"{number(queued)} queued, {number(pending)} pending",
        ),
        _otherwise(found),
        _oldest(found),
        Tile(
            name="held",
            title="Held",
            value=number(found.held),
            note="until released",
            tone=WAITING if found.held else FINE,
            link="/holds",
            link_text="Holds",
        ),
    ]


OTHERWISE = ("suppressed", "expired", "cancelled", "unknown")


def _otherwise(found: Statistics) -> Tile:
    """What was not sent, and did not fail. The link leads to the status that most of them have."""
    counts = {status: found.by_status.get(status, 0) for status in OTHERWISE}
    some = {status: count for status, count in counts.items() if count}
    most = max(some, key=lambda status: some[status], default="")
    since = {"hour": "", "day": "", "week": "7d"}[found.period]
    return Tile(
        name="otherwise",
        title="Ended otherwise",
        value=number(sum(some.values())),
        note=", ".join(f"{number(count)} {status}" for status, count in some.items())
        or "suppressed, expired, cancelled",
        link=f"/notifications?status={most}&since={since}" if most else "",
        link_text=f"See {most}" if most else "",
    )


def _oldest(found: Statistics) -> Tile:
    title, oldest = "Waiting longest", found.oldest_waiting
    if oldest is None:
        return Tile(
            name="oldest", title=title, value="–", note="nothing but what is held" if found.held else "nothing waits"
        )
    return Tile(
        name="oldest",
        title=title,
        value=span(oldest.seconds),
        note=f"{oldest.status}, {channel(oldest.notification_type)}",
        tone=WAITING if oldest.seconds > LONG_SECONDS else FINE,
        link=f"/notifications/{oldest.notification_id}",
        link_text="Open it",
    )


def _sentence(found: Statistics) -> str:
    """The proof in plain words."""
    balance = found.balance
    if not balance.accepted and not balance.difference:
        return "Nothing was accepted, and nothing is missing."
    ended = "1 has ended" if balance.final == 1 else f"{number(balance.final)} have ended"
    counted = f"Of {number(balance.accepted)} accepted, {ended} and {number(balance.in_work)} "
    counted += "is in work" if balance.in_work == 1 else "are in work"
    if balance.difference:
        return (
            f"{counted}. These differ by {number(abs(balance.difference))}, which must be 0: see GET /api/v1/reconcile."
        )
    return f"{counted}. None is missing."


def _latency(found: Statistics) -> str:
    p50, p95 = found.latency.p50, found.latency.p95
    if p50 is None or p95 is None:
        return "Nothing was sent."
    return f"Half were sent within {span(p50)}, 95 % within {span(p95)}."


def _rate(found: Statistics) -> str:
    """By the shortest unit of time in which there is at least one."""
    a_second = found.balance.accepted / max(1.0, (found.until - found.since).total_seconds())
    for seconds, unit in ((60, "a minute"), (3_600, "an hour")):
        if a_second * seconds >= 1:
            return f"{a_second * seconds:,.0f} {unit}"
    return f"{a_second * 86_400:,.0f} a day"


def _share(part: int, of: int, more: str = "") -> str:
    """`98.3 %`; never 100 while one is missing, never 0 while there is one."""
    if not of:
        return more or "–"
    percent = 100 * part / of
    shown = f"{percent:.1f}".removesuffix(".0")
    if part > 0 and percent < 0.1:
        shown = "< 0.1"
    elif part < of and percent > 99.9:
        shown = "> 99.9"
    return ", ".join(filter(None, (f"{shown} %", more)))


def _row(step: StatisticsStep) -> Row:
    numbers = step.accepted, step.sent, step.delivered, step.failed, step.in_work
    latency = step.latency.p50, step.latency.p95
    figures = [*map(number, numbers), *("–" if one is None else span(one) for one in latency)]
    return Row(at=step.at, figures=figures)
