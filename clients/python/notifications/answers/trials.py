"""What a version of a template makes of notifications that were sent lately."""

from datetime import datetime
from typing import Any

from notifications.answers.base import AnswerModel


class TrialRendering(AnswerModel):
    """`error` is None if it was rendered. `subject`, the title of a push, is None if the caller may not see it."""

    error: str | None
    message: str | None
    missing_variables: list[str]
    subject: str | None
    subject_length: int | None


class TriedNotification(AnswerModel):
    """`before` is the active version, `after` the one that is tried. `added` and `removed` are the first changed links.

    They and the `variables` are None if the caller may not see them; `variables` also if they were not asked for.
    """

    notification_id: str
    notification_type: str
    language: str
    created_at: datetime
    before: TrialRendering
    after: TrialRendering
    links_added: int
    links_removed: int
    added: list[str] | None
    removed: list[str] | None
    variables: dict[str, Any] | None


class Trial(AnswerModel):
    """`found` notifications fit; `complete`: there was time for all. `failing` cannot be rendered with `version`."""

    code: str
    language: str
    version: int
    active_version: int
    found: int
    failing: int
    complete: bool
    notifications: list[TriedNotification]
