"""Applications and API keys in words, and what a form says about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args

from notifications import ApiKey, Application, Channel, NewApplication, Scope, SenderFields

CHANNELS: tuple[Channel, ...] = get_args(Channel)
SCOPES: tuple[Scope, ...] = get_args(Scope)
MEANINGS: Mapping[Scope, str] = {
    "admin": "everything, also this administration",
    "notifications:read": "see what the application sent",
    "notifications:write": "send, cancel, try again",
    "notifications:urgent": "send with priority 8 to 10",
    "status:write": "report on notifications, as providers do",
    "templates:read": "read templates",
    "templates:write": "change templates",
    "users:read": "read users, their devices and preferences",
    "users:write": "change users and contacts",
}
LIVES = (("365", "One year, the longest"), ("90", "90 days"), ("30", "30 days"), ("7", "7 days"))
OVERLAPS = (
    ("86400", "One day"),
    ("3600", "One hour"),
    ("604800", "7 days"),
    ("2592000", "30 days, the longest"),
    ("0", "Not at all: it is refused at once"),
)
SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class ApplicationFields:
    """An application's form as it was typed. Without a limit, channels or a sender the deployment's apply."""

    name: str = ""
    limit: str = ""
    channels: Sequence[str] = CHANNELS
    from_name: str = ""
    from_email: str = ""
    reply_to: str = ""

    @classmethod
    def from_application(cls, application: Application) -> "ApplicationFields":
        limit, sender = application.rate_limit_per_minute, application.sender
        return cls(
            name=application.name,
            limit="" if limit is None else str(limit),
            channels=CHANNELS if application.channels is None else application.channels,
            from_name=(sender and sender.from_name) or "",
            from_email=(sender and sender.from_email) or "",
            reply_to=(sender and sender.reply_to) or "",
        )

    @property
    def problem(self) -> str:
        """What the API cannot be asked for. It checks the rest."""
        if not self.name:
            return "The application needs a name."
        if not self.channels:
            return "Choose at least one channel."
        return "" if not self.limit or self.limit.isdecimal() else "The limit is a whole number, or empty."

    def body(self) -> NewApplication:
        sender: SenderFields = {
            "from_name": self.from_name or None,
            "from_email": self.from_email or None,
            "reply_to": self.reply_to or None,
        }
        return {
            "name": self.name,
            "rate_limit_per_minute": int(self.limit) if self.limit else None,
            "channels": None
            if set(self.channels) == set(CHANNELS)
            else [one for one in CHANNELS if one in self.channels],
            "sender": sender if any(sender.values()) else None,
        }


def state_of(key: ApiKey, now: datetime | None = None) -> str:
    """`active`, `expires soon` or `expired`."""
    left = (key.expires_at - (now or datetime.now(UTC))) if key.expires_at else None
    if left is None or left > SOON:
        return "active"
    return "expires soon" if left > timedelta() else "expired"


def chosen(options: Sequence[tuple[str, str]], given: str) -> int:
    """The number that a form's list says; the first one for what no list offers."""
    return int(given if given in dict(options) else options[0][0])
