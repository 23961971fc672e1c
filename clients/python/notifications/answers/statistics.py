"""Figures for an overview."""

from datetime import datetime

from notifications.answers.base import AnswerModel


class Latency(AnswerModel):
    """Seconds from acceptance to sent; None: none was sent."""

    p50: float | None
    p95: float | None


class StatisticsStep(AnswerModel):
    """The notifications that were accepted from `at` on, and how many of them are sent, delivered and failed now."""

    at: datetime
    accepted: int
    sent: int
    delivered: int
    failed: int
    in_work: int
    latency: Latency


class Balance(AnswerModel):
    """`difference` is 0: every accepted notification is final or in work."""

    accepted: int
    final: int
    in_work: int
    difference: int


class OldestWaiting(AnswerModel):
    notification_id: str
    notification_type: str
    status: str
    since: datetime
    seconds: float


class Statistics(AnswerModel):
    """Of the notifications that were accepted from `since` to `until`; those before `counted_since` are not counted."""

    period: str
    step_seconds: int
    since: datetime
    until: datetime
    counted_since: datetime | None
    balance: Balance
    by_status: dict[str, int]
    held: int
    latency: Latency
    oldest_waiting: OldestWaiting | None
    steps: list[StatisticsStep]
