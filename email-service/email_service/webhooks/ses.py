"""Amazon SES, whose events come through SNS: feedback notifications of an identity, and events of a configuration set.

Sources: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html and
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html (the same, with `eventType`)
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from chassis.errors import Unprocessable
from email_service.bounces.reading import BounceReport, status_in
from email_service.webhooks.events import (
    EventKind,
    Foreign,
    Nested,
    ProviderEvent,
    Text,
    WebhookRequest,
    parsed,
    webhook_report,
)
from email_service.webhooks.sns import SnsMessage, SnsVerifier

# `bounceType` → kind. SES has given the mail up in each case.
BOUNCE_TYPES: Mapping[str, EventKind] = {"Permanent": "hard", "Transient": "soft", "Undetermined": "soft"}
# Events without recipients of their own: SES accepted a mail with a virus and did not send it; SES goes on trying.
OF_THE_MAIL: Mapping[str, EventKind] = {"Reject": "soft", "DeliveryDelay": "delayed"}
# A complaint about an earlier mail: SES did not send this one.
SUPPRESSED = "OnAccountSuppressionList"
NO_COMPLAINTS = frozenset({"not-spam"})  # RFC 6430


def _list(value: object) -> object:
    return value if isinstance(value, list) else []


Listed = BeforeValidator(_list)  # for the type of a list: null and everything else is an empty one


class _Recipient(Foreign):
    email: Text = Field(default="", alias="emailAddress")
    status: Text = ""
    diagnostic: Text = Field(default="", alias="diagnosticCode")


class _Bounce(Foreign):
    type: Text = Field(default="", alias="bounceType")
    recipients: Annotated[list[_Recipient], Listed] = Field(default_factory=list, alias="bouncedRecipients")


class _Complaint(Foreign):
    subtype: Text = Field(default="", alias="complaintSubType")
    feedback: Text = Field(default="", alias="complaintFeedbackType")
    recipients: Annotated[list[_Recipient], Listed] = Field(default_factory=list, alias="complainedRecipients")


class _Delivery(Foreign):
    recipients: Annotated[list[Text], Listed] = Field(default_factory=list)


class _Header(Foreign):
    name: Text = ""
    value: Text = ""


class _Mail(Foreign):
    """`source` is our MAIL FROM, `id` the id in the SMTP answer. `headers` are ours, if SES is configured to include them."""

    id: Text = Field(default="", alias="messageId")
    source: Text = ""
    destination: Annotated[list[Text], Listed] = Field(default_factory=list)
    headers: Annotated[list[_Header], Listed] = Field(default_factory=list)

    def header(self, name: str) -> str:
        return next((one.value for one in self.headers if one.name.lower() == name), "")


class _Event(Foreign):
    event_type: Text = Field(default="", alias="eventType")
    notification_type: Text = Field(default="", alias="notificationType")
    mail: Annotated[_Mail, Nested] = _Mail()
    bounce: Annotated[_Bounce, Nested] = _Bounce()
    complaint: Annotated[_Complaint, Nested] = _Complaint()
    delivery: Annotated[_Delivery, Nested] = _Delivery()


_FIELDS, _EVENT = TypeAdapter(dict[str, Any]), TypeAdapter(_Event)


class Ses:
    def __init__(self, sns: SnsVerifier) -> None:
        self._sns = sns

    async def read(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        fields = parsed(_FIELDS, request.body)
        message = SnsMessage({name: value for name, value in fields.items() if isinstance(value, str)})
        await self._sns.check(message, request)
        if message.type == "SubscriptionConfirmation":
            await self._sns.confirm(message)
        identity = message.fields.get("MessageId", "")
        reports = _reports(message.fields.get("Message", "")) if message.type == "Notification" else []
        events = [ProviderEvent(f"{identity} {number}", report) for number, report in enumerate(reports)]
        return events or [ProviderEvent(identity, None)]


def _reports(text: str) -> list[BounceReport]:
    """SES tries a new topic with a sentence, which is no JSON: nothing follows from it."""
    try:
        event = parsed(_EVENT, text)
    except Unprocessable:
        return []
    mail = event.mail
    match event.event_type or event.notification_type:
        case "Bounce":
            kind = BOUNCE_TYPES.get(event.bounce.type, "soft")
            return [_report(mail, kind, one.email, _status(one)) for one in event.bounce.recipients]
        case "Complaint" if event.complaint.feedback not in NO_COMPLAINTS:
            kind = "hard" if event.complaint.subtype == SUPPRESSED else "complained"
            return [_report(mail, kind, one.email) for one in event.complaint.recipients]
        case "Delivery":
            return [_report(mail, "delivered", one) for one in event.delivery.recipients]
        case "Reject" | "DeliveryDelay" as event_type:
            return [_report(mail, OF_THE_MAIL[event_type], one) for one in mail.destination]
    return []  # Send, Open, Click, Subscription, Rendering Failure


def _status(recipient: _Recipient) -> str:
    return recipient.status or status_in(recipient.diagnostic)


def _report(mail: _Mail, kind: EventKind, address: str, status: str = "") -> BounceReport:
    return webhook_report(
        kind,
        address,
        status=status,
        return_path=mail.source,
        notification=mail.header("x-notification-id"),
        message_id=mail.header("message-id"),
        provider_ids=(mail.id,),
    )
