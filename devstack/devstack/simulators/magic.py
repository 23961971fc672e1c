"""Recipients and switches that make a simulated provider fail on purpose."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from devstack.simulators import fcm_messages
from devstack.simulators.fcm_messages import FcmError
from devstack.simulators.webhook_forms import Event

Fault = Literal["down", "stall"]
Provider = Literal["smtp", "fcm", "web_push", "apns"]


@dataclass
class Faults:
    """`down`: connections are refused. `stall`: messages are taken, but the responses wait until the switch is off."""

    smtp: Fault | None = None
    fcm: Fault | None = None
    web_push: Fault | None = None
    apns: Fault | None = None

    async def stalled(self, provider: Provider) -> None:
        """Returns when that provider does not stall, or no longer."""
        # A plain field that anything may set needs no event. A response that comes 20 ms later is still a late response.
        while getattr(self, provider) == "stall":  # noqa: ASYNC110
            await asyncio.sleep(0.02)


# Recipients that make a provider fail. The inbox page shows these two tables.
#
# The local part of an e-mail address may have a number where the table says N, and a tag: `defer-3+anything@example.com`. A
# push token only has to begin with the word: `quota-2-anything`.


@dataclass(frozen=True)
class RefuseRecipient:
    reply: str


@dataclass(frozen=True)
class RefuseFirst:
    reply: str
    times: int


@dataclass(frozen=True)
class RefuseEveryOther:
    reply: str


@dataclass(frozen=True)
class RefuseData:
    reply: str


@dataclass(frozen=True)
class Defer:
    times: int


@dataclass(frozen=True)
class Throttle:
    """`times` None means always."""

    times: int | None = None


@dataclass(frozen=True)
class Drop:
    pass


@dataclass(frozen=True)
class Stall:
    seconds: int


@dataclass(frozen=True)
class ReportEvents:
    """Taken, and then reported by webhook. `defers` times a message is refused before; the 250 comes `seconds` late, and with
    `early` after the webhook was answered.
    """

    events: tuple[Event, ...]
    defers: int = 0
    seconds: int = 0
    early: bool = False


@dataclass(frozen=True)
class RefuseToken:
    """`times` None means always. After that many refusals the token is accepted, or refused with `then`. `seconds` is the
    delay before the response.
    """

    error: FcmError
    times: int | None = None
    then: FcmError | None = None
    seconds: int = 0


@dataclass(frozen=True)
class BreakOff:
    times: int


EmailMagic = (
    RefuseRecipient | RefuseFirst | RefuseEveryOther | RefuseData | Defer | Throttle | Drop | Stall | ReportEvents
)
PushMagic = RefuseToken | BreakOff | Stall

EMAIL_TABLE: Mapping[str, str] = {
    "bounce@": "550 5.1.1 to RCPT: no such mailbox",
    "reject-data@": "554 5.7.1 to the final dot",
    "defer-N@": "451 to the final dot, N times for each Message-ID, then taken",
    "throttle@": "421 to RCPT, and the connection closes",
    "throttle-N@": "the same N times for each address, then taken",
    "account-N@": "550 5.4.5 to RCPT, our account's daily quota, N times for each address, then taken",
    "busy@": "452 4.3.1 to every other RCPT of such an address",
    "drop@": "taken, but the connection dies before the 250, once for each Message-ID",
    "stall-N@": "taken, and the 250 comes N seconds late",
    "delivered@": "taken, and a webhook says that it was delivered",
    "bounced@": "taken, and a webhook says that there is no such mailbox: a hard bounce",
    "full@": "taken, and a webhook says that the mailbox is full: a soft bounce",
    "complaint@": "taken, delivered, and a webhook says that it was reported as spam",
    "deferred@": "451 to the final dot, once for each Message-ID; then taken, and delivered by webhook",
    "slow@": "taken, the 250 comes 3 seconds late, and a webhook says that it was delivered",
    "early@": "taken, and the webhook comes before the 250",
    "bounced+sendgrid@": "the webhook has SendGrid's form; likewise +mailgun, and each word with a webhook",
}
PUSH_TABLE: Mapping[str, str] = {
    "unregistered…": "404 UNREGISTERED",
    "late-unregistered-N…": "the same, N seconds late",
    "dying-N…": "503 UNAVAILABLE, N times, then 404 UNREGISTERED",
    "invalid-token…": "400 INVALID_ARGUMENT",
    "sender-mismatch…": "403 SENDER_ID_MISMATCH",
    "quota-N…": "429 QUOTA_EXCEEDED with Retry-After: 1, N times, then taken",
    "unavailable-N…": "503 UNAVAILABLE, N times, then taken",
    "third-party-N…": "401 THIRD_PARTY_AUTH_ERROR, our account with Apple, N times, then taken",
    "drop-N…": "taken, but the connection dies in the middle of the answer, N times",
    "stall-N…": "taken, and the answer comes N seconds late",
}

_LOCAL_PART = re.compile(
    r"(bounced?|reject-data|throttle|busy|drop|delivered|full|complaint|deferred|slow|early|"
    r"(?:defer|stall|throttle|account)-(\d{1,3}))(?:\+.*)?",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"unregistered|invalid-token|sender-mismatch|"
    r"(?:quota|unavailable|third-party|dying|late-unregistered|drop|stall)-(\d{1,3})"
)


def email_magic(address: str) -> EmailMagic | None:
    found = _LOCAL_PART.fullmatch(address.rpartition("@")[0])
    if found is None:
        return None
    return _email_rule(found[1].lower().rstrip("-0123456789"), int(found[2] or 0))


def push_magic(token: str) -> PushMagic | None:
    found = _TOKEN.match(token)
    if found is None:
        return None
    return _push_rule(found[0].rstrip("-0123456789"), int(found[1] or 0))


def _email_rule(word: str, number: int) -> EmailMagic | None:
    rules: Mapping[str, EmailMagic] = {
        "bounce": RefuseRecipient("550 5.1.1 No such mailbox here"),
        "reject-data": RefuseData("554 5.7.1 Message refused"),
        "defer": Defer(number),
        "throttle": Throttle(number or None),
        "account": RefuseFirst("550 5.4.5 Daily user sending limit exceeded", number),
        "busy": RefuseEveryOther("452 4.3.1 Insufficient system storage"),
        "drop": Drop(),
        "stall": Stall(number),
        "delivered": ReportEvents(("delivered",)),
        "bounced": ReportEvents(("hard",)),
        "full": ReportEvents(("soft",)),
        "complaint": ReportEvents(("delivered", "complained")),
        "deferred": ReportEvents(("delivered",), defers=1),
        "slow": ReportEvents(("delivered",), seconds=3),
        "early": ReportEvents(("delivered",), early=True),
    }
    return rules.get(word)


def _push_rule(word: str, number: int) -> PushMagic | None:
    rules: Mapping[str, PushMagic] = {
        "unregistered": RefuseToken(fcm_messages.UNREGISTERED),
        "invalid-token": RefuseToken(fcm_messages.INVALID_TOKEN),
        "sender-mismatch": RefuseToken(fcm_messages.SENDER_ID_MISMATCH),
        "quota": RefuseToken(fcm_messages.QUOTA_EXCEEDED, times=number),
        "unavailable": RefuseToken(fcm_messages.UNAVAILABLE, times=number),
        "dying": RefuseToken(fcm_messages.UNAVAILABLE, times=number, then=fcm_messages.UNREGISTERED),
        "late-unregistered": RefuseToken(fcm_messages.UNREGISTERED, seconds=number),
        "third-party": RefuseToken(fcm_messages.THIRD_PARTY_AUTH_ERROR, times=number),
        "drop": BreakOff(number),
        "stall": Stall(number),
    }
    return rules.get(word)
