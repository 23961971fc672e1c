"""The common part of all providers' webhooks: the request, its refusals, and its events."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from hashlib import sha256
from typing import Annotated, Any, Literal, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from chassis.errors import Forbidden, field_error
from contracts.addresses import stored_spelling
from email_service.bounces.reading import BounceReport, ReportKind

# SendGrid repeats a request for 24 hours, Mailgun for 8, Postmark for about half a day, SNS for an hour. A shorter time would
# lose the events of an outage. Within it a repeated request is recognised by its ids.
MAX_AGE_SECONDS = 25 * 3_600
MAX_AHEAD_SECONDS = 300  # by which a provider's clock may be ahead of ours
MAX_TEXT = 1_000
_OUR_ID = re.compile(r"\s*<?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:@|>|\s*$)")  # alone, or of a Message-ID

EventKind = Literal["hard", "soft", "complained", "delayed", "delivered"]
REPORT_KINDS: Mapping[EventKind, ReportKind] = {
    "hard": "failed",
    "soft": "failed",
    "complained": "complained",
    "delayed": "delayed",
    "delivered": "delivered",
}
Parsed = TypeVar("Parsed")


Refusal = Literal["refused", "outdated", "reused"]


class SignatureRefused(Forbidden):
    """Nothing was read but the signature, and nothing was changed. `counted_as` is for operators: callers do not learn what
    exactly is wrong.
    """

    code, message = "signature_refused", "The signature is missing, wrong, too old, or was used before"
    counted_as: Refusal = "refused"


class SignatureOutdated(SignatureRefused):
    """Signed too long ago, or in the future."""

    counted_as = "outdated"


class SignatureReused(SignatureRefused):
    """The signature came with another body before."""

    counted_as = "reused"


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A provider's request. `headers` have names in lower case; `now` is in seconds since the epoch."""

    body: bytes
    headers: Mapping[str, str]
    now: float

    def check_age(self, signed_at: float) -> None:
        """Raises SignatureOutdated if the request was signed too long ago, or in the future."""
        if not -MAX_AHEAD_SECONDS <= self.now - signed_at <= MAX_AGE_SECONDS:
            raise SignatureOutdated


@dataclass(frozen=True, slots=True)
class OneUseToken:
    """A signature that does not cover the body. Its `token` is therefore good for one body only."""

    token: str
    digest: str

    @classmethod
    def for_body(cls, token: str, body: bytes) -> "OneUseToken":
        return cls(token, sha256(body).hexdigest())


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """`id` is the provider's, equal in repetitions. `report` is None if nothing follows from the event."""

    id: str
    report: BounceReport | None
    token: OneUseToken | None = None


class Webhook(Protocol):
    async def read(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        """Checks the request and reads its events. Raises SignatureRefused, Unauthorized, Unprocessable, Unavailable."""


def webhook_report(  # noqa: PLR0913 - what a provider may say about one mail
    kind: EventKind,
    address: str,
    *,
    status: str = "",
    return_path: str = "",
    notification: str = "",
    message_id: str = "",
    provider_ids: Sequence[str] = (),
) -> BounceReport:
    """A provider's event as a report. `notification` is our id as the provider echoes it, `message_id` our Message-ID."""
    named = (notification, message_id)
    address = stored_spelling(parseaddr(address)[1]) or address  # SES may write the recipient's name, too
    return BounceReport(
        kind=REPORT_KINDS[kind],
        status=status,
        addresses=(address,) if address else (),
        named=(address,) if address else (),
        return_paths=(return_path,) if return_path else (),
        message_ids=tuple(UUID(found[1]) for one in named if (found := _OUR_ID.match(one.lower()))),
        provider_ids=tuple(one for one in provider_ids if one),
        dead=kind == "hard",
    )


def parsed(kind: TypeAdapter[Parsed], body: bytes | str) -> Parsed:
    """Raises Unprocessable, without a part of the body in it."""
    try:
        return kind.validate_json(body)
    except (ValidationError, ValueError, RecursionError):
        raise field_error("body", "is not an event of this provider") from None


def _text(value: object) -> str:
    """Providers write ids as texts or as numbers; a value of another kind is not one that is used here. PostgreSQL takes no
    NUL."""
    return str(value).replace("\0", "")[:MAX_TEXT] if isinstance(value, str | int | float) else ""


def _object(value: object) -> object:
    return value if isinstance(value, dict) else {}


Text = Annotated[str, BeforeValidator(_text)]
Nested = BeforeValidator(_object)  # for the type of a nested object: null and everything else is an empty one


class Foreign(BaseModel):
    """A part of a provider's event. Fields that are missing are empty; fields that are not named are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def values_of(found: Mapping[str, Any], name: str) -> str:
    """The text of a free field, such as the provider's copy of a header of ours."""
    return _text(found.get(name, ""))
