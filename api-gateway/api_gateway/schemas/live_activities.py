"""Updates of Apple's Live Activities.

Source: developer.apple.com/documentation/activitykit,
starting-and-updating-live-activities-with-activitykit-push-notifications
"""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from chassis.fields import Instant, TrueOrFalse
from chassis.json_values import problems_in, written
from contracts.overrides import LiveActivityEvent

MAX_PAYLOAD_BYTES = 4_096
# The state must fit beside what every payload has. Dates, a score and an alert are small and known to workers only.
MAX_STATE_BYTES = MAX_PAYLOAD_BYTES - len('{"aps":{"timestamp":1234567890,"event":"end","content-state":}}')
MAX_SCORE = 1_000_000


def _arrives(state: dict[str, Any]) -> dict[str, Any]:
    """Returns the state. Raises ValueError if it cannot be stored, or never fits into a payload."""
    if problems := problems_in("it", state):
        raise ValueError(f"cannot be kept: {problems[0]['field']} {problems[0]['message']}")
    size = len(written(state).encode())
    if size > MAX_STATE_BYTES:
        raise ValueError(
            f"has {size} bytes; APNs takes {MAX_PAYLOAD_BYTES}, which leaves room for {MAX_STATE_BYTES}, and dates and an "
            "alert need some of them"
        )
    return state


class LiveActivityOptions(BaseModel):
    """An update of a Live Activity, or its end. `to.push_tokens` has its token, which is not the device's."""

    model_config = ConfigDict(extra="forbid")

    event: LiveActivityEvent
    content_state: Annotated[dict[str, Any], AfterValidator(_arrives)] | None = Field(
        default=None, description="What it shows: the fields of the app's ContentState. An update needs it"
    )
    stale_date: Instant | None = Field(default=None, description="From then on the device marks it as outdated")
    dismissal_date: Instant | None = Field(
        default=None,
        description="Of an end: when it leaves the Lock Screen, at most four hours later; at once if it has passed",
    )
    relevance_score: Annotated[float, Field(ge=0, le=MAX_SCORE, strict=True)] | None = Field(
        default=None, description="The highest of the app's Live Activities leads"
    )
    timestamp: Instant | None = Field(
        default=None,
        description="Devices ignore an update that is older than the one they show. Null: when it was accepted, or `send_at`",
    )
    alert: TrueOrFalse | None = Field(
        default=None, description="True: the device alerts, too, with the template's title and text"
    )

    @model_validator(mode="after")
    def _fits_the_event(self) -> Self:
        if self.event == "update" and self.content_state is None:
            raise ValueError("an update needs content_state")
        if self.event != "end" and self.dismissal_date is not None:
            raise ValueError("dismissal_date is for an end")
        return self
