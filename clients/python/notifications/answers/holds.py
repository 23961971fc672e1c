"""Holds."""

from datetime import datetime

from notifications.answers.base import AnswerModel


class Hold(AnswerModel):
    """`status` is standing, releasing, released, cancelling or cancelled; `held` notifications wait because of it.

    `oldest_held_at`: when the oldest of these was accepted.
    """

    hold_id: str
    template_code: str | None
    application_id: str | None
    test: bool | None
    notification_type: str | None
    provider: str | None = None
    reason: str
    status: str
    held: int
    held_by_channel: dict[str, int]
    oldest_held_at: datetime | None = None
    created_by: str
    created_at: datetime
    ended_by: str | None
    ended_at: datetime | None
    template_version: int | None
    active_version: bool
