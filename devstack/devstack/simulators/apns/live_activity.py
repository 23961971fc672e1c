"""The `aps` of a message to a Live Activity, as ActivityKit reads it.

Source: developer.apple.com/documentation/activitykit,
starting-and-updating-live-activities-with-activitykit-push-notifications
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

# APNs forwards fields that the device then ignores silently. A simulator must report them, so this reason is not Apple's.
IGNORED = "IgnoredByTheDevice"


class _Alert(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: str
    body: str = ""
    sound: str = ""


class _Update(BaseModel):
    """`content-state` of an end is optional; times are whole seconds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    timestamp: int
    event: str = Field(pattern="^(update|end)$")
    state: dict[str, JsonValue] | None = Field(default=None, alias="content-state")
    stale: int | None = Field(default=None, alias="stale-date")
    dismissal: int | None = Field(default=None, alias="dismissal-date")
    score: float | None = Field(default=None, alias="relevance-score")
    alert: _Alert | None = None


def is_update(aps: Mapping[str, object]) -> bool:
    try:
        found = _Update.model_validate(aps)
    except ValidationError:
        return False
    return found.event == "end" or found.state is not None
