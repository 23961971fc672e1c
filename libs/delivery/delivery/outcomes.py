"""The outcome of one attempt to deliver to one recipient. Senders map a provider's answers to outcomes with a table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider accepted the notification. `reported`: it said so after an ambiguous attempt, and was not called again."""

    provider_message_id: str | None = None
    reported: bool = False


@dataclass(frozen=True, slots=True)
class RetryLater:
    """A temporary refusal: the provider or the recipient's server did not accept the notification, but may do so later.

    `after_seconds`: the pause that the provider named, if any. `of_domain`: the recipient's domain refuses further mail for
    now, so other messages to it should wait too.
    """

    code: str
    detail: str = ""
    after_seconds: float | None = None
    of_domain: bool = False


@dataclass(frozen=True, slots=True)
class Postponed:
    """Nothing was sent: the recipient's domain may get no further message now, or a hold is standing.

    `refusing`: the domain refused messages lately; False: our own limit is reached, or the notification is held.
    `after_seconds`: the shortest pause: the rest of the domain's pause, or HELD_SECONDS. `urgent`: the pauses of an urgent
    notification do not grow.
    """

    code: str
    detail: str = ""
    after_seconds: float | None = None
    refusing: bool = True
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Defect:
    """Neither accepted nor refused: an error on our side or in the protocol. The delivery is retried a few times."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Permanent:
    """The provider will never accept it. `dead_recipient`: nothing should be sent to this address or token again."""

    code: str
    detail: str = ""
    dead_recipient: bool = False


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The provider may have accepted it: there was no answer."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The provider may have accepted the notification, and there will be no further attempt.

    `attempted`: this attempt called the provider and got no answer, and the notification must not be sent twice. Otherwise an
    earlier attempt got no answer, or its worker died, and `code` says why it is not repeated: `worker_lost` (it must not be
    sent twice), `exhausted`, `provider_removed`, `expired`, or why its recipient gets nothing now (`recipient_gone`, …).
    """

    code: str
    detail: str = ""
    attempted: bool = False


@dataclass(frozen=True, slots=True)
class ProviderDown:
    """No attempt was possible, and the message is not the cause: the provider, a service, our database or this process. No
    attempt is spent.

    `elsewhere`: another provider of the channel can take the message now.
    """

    code: str
    detail: str = ""
    after_seconds: float | None = None
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class AccountRefused(ProviderDown):
    """The provider works but refuses our account: login, quota, sender, a suspension. An operator has to fix it.

    `affects_all` False: only some recipients or senders are refused, so the breaker does not count it as a failure.
    """

    affects_all: bool = True


@dataclass(frozen=True, slots=True)
class Suppressed:
    """It must not be sent: the user opted out, or the address is known not to exist."""

    code: str


@dataclass(frozen=True, slots=True)
class Expired:
    """The notification's `expires_at` has passed."""


Outcome = Sent | RetryLater | Postponed | Defect | Permanent | Ambiguous | Unknown | ProviderDown | Suppressed | Expired


def unknown_instead_of(outcome: Suppressed | Expired | Permanent) -> Unknown:
    """Replaces "not sent" after an ambiguous attempt: the earlier attempt may have arrived."""
    return Unknown("expired" if isinstance(outcome, Expired) else outcome.code)
