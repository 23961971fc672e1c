"""An event, what it says of a change, and how events are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MAX_PAGE = 101  # a page of 100, and one to know whether there is another


@dataclass(frozen=True, slots=True)
class Personal:
    """A value about a person: only its fingerprint is kept. Secrets are not given at all."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """The fields that differ. Not in `before`: it was made; not in `after`: it is gone."""

    before: Mapping[str, object]
    after: Mapping[str, object]


NO_CHANGE = Change({}, {})
"""Of an event that its action and target tell whole."""


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> Change | None:
    """None when nothing differs; what is not there is as good as None."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not names:
        return None
    return Change(
        {name: before[name] for name in names if name in before}, {name: after[name] for name in names if name in after}
    )


class AuditEvent(BaseModel):
    """`actor` did `action` to `target`. `before` and `after` have the changed fields only, personal values as `hmac:…`."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    occurred_at: datetime
    actor: str
    api_key_id: UUID | None
    address: str | None
    action: str
    target: str
    before: dict[str, JsonValue]
    after: dict[str, JsonValue]
    correlation_id: str


class AuditQuestion(BaseModel):
    """Which events, newest first; None: any. Ids are time-ordered: from `first` on, below `end`, and below `cursor`."""

    model_config = ConfigDict(frozen=True)

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    first: UUID | None = None
    end: UUID | None = None
    cursor: UUID | None = None
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE)


class AuditFindings(BaseModel):
    """`total`: how many there are, the cursor apart; `newer`: how many of them stand before it. Counted up to 10,000."""

    events: tuple[AuditEvent, ...]
    total: int
    newer: int
