"""What became of one attempt to deliver to one recipient. Senders turn a provider's answers into these, by a table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it."""

    provider_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The provider or the recipient's side said "not now": it was not taken, and may be within hours.

    `after_seconds`: the pause that the provider named, if it did.
    """

    code: str
    detail: str = ""
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Defect:
    """It was not taken, and nobody refused it: our side, or a dialogue that went wrong. A few more attempts show which."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Permanent:
    """It will never be taken. `dead_recipient`: nothing should be sent to this address or token again."""

    code: str
    detail: str = ""
    dead_recipient: bool = False


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The provider may have taken it: the connection died before the answer."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been taken, and the notification asked not to be sent twice.

    `attempted` now, and the answer never came; else by a worker that died over it.
    """

    code: str
    detail: str = ""
    attempted: bool = False


@dataclass(frozen=True, slots=True)
class ProviderDown:
    """The provider does not work at all: the message is not to blame and no attempt is spent."""

    code: str
    detail: str = ""
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class AccountRefused(ProviderDown):
    """The provider works and turns our account away: login, quota, sender, a suspension. Somebody has to put it right.

    `others_pass`: only some recipients, or senders, meet it, so the breaker is not told.
    """

    others_pass: bool = False


@dataclass(frozen=True, slots=True)
class Suppressed:
    """It must not be sent: opted out, or the address is known to be dead."""

    code: str


@dataclass(frozen=True, slots=True)
class Expired:
    """Its `expires_at` has passed."""


Outcome = Sent | RetryLater | Defect | Permanent | Ambiguous | Unknown | ProviderDown | Suppressed | Expired


def in_doubt(outcome: Suppressed | Expired | Permanent) -> Unknown:
    """What would end a delivery unsent, where an earlier attempt may have been taken: to call it unsent would be a guess."""
    return Unknown("expired" if isinstance(outcome, Expired) else outcome.code)
