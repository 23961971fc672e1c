"""Holds."""

from datetime import datetime

from notifications.answers.base import AnswerModel


class Hold(AnswerModel):
    """`status` is standing, releasing, released, cancelling or cancelled; `held` notifications wait because of it."""

    hold_id: str
    template_code: str | None
    application_id: str | None
    test: bool | None
    notification_type: str | None
    reason: str
    status: str
    held: int
    held_by_channel: dict[str, int]
    created_by: str
    created_at: datetime
    ended_by: str | None
    ended_at: datetime | None
    template_version: int | None
    active_version: bool
