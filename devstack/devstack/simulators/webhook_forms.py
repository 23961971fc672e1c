"""What became of a mail, in the form of each e-mail provider.

The part of a magic address after the `+` chooses: `bounced+sendgrid@`, `bounced+sendgrid-2@`; otherwise it is Postmark's.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal
from uuid import uuid4

from devstack.simulators import messages
from devstack.simulators.mail_accounts import MailAccounts, Posted

Event = Literal["delivered", "hard", "soft", "complained"]
Form = Literal["postmark", "ses", "sendgrid", "mailgun"]

NO_MAILBOX, FULL = "550 5.1.1 The e-mail account does not exist", "552 5.2.2 The mailbox is full"
_FORM = re.compile(r"[^+@]+\+(ses|sendgrid|mailgun)(?![a-z0-9])", re.IGNORECASE)
_METADATA = "x-pm-metadata-"


@dataclass(frozen=True)
class Taken:
    """A mail to one recipient. `id` is the provider's, which the SMTP answer names."""

    recipient: str
    content: bytes
    sender: str = ""
    id: str = field(default_factory=lambda: str(uuid4()))

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        return messages.headers(self.content.partition(b"\r\n\r\n")[0])

    def header(self, name: str) -> str:
        return next((value for found, value in self.headers if found.lower() == name), "")


def posted(event: Event, mail: Taken, accounts: MailAccounts) -> tuple[Form, Posted]:
    """The request, and whose form it has."""
    found = _FORM.match(mail.recipient)
    match found and found[1].lower():
        case "sendgrid" if accounts.sendgrid is not None:
            return "sendgrid", accounts.sendgrid.posts(_sendgrid(event, mail))
        case "mailgun" if accounts.mailgun is not None:
            return "mailgun", accounts.mailgun.posts(_mailgun(event, mail))
        case "ses" if accounts.ses is not None:
            return "ses", accounts.ses.posts(_ses(event, mail))
    return "postmark", Posted(json.dumps(_postmark(event, mail)).encode(), {})


def _postmark(event: Event, mail: Taken) -> Mapping[str, object]:
    metadata = {name[len(_METADATA) :]: value for name, value in mail.headers if name.lower().startswith(_METADATA)}
    common = {
        "MessageID": mail.id, "ServerID": 1, "Metadata": metadata, "Tag": mail.header("x-pm-tag"),
        "MessageStream": mail.header("x-pm-message-stream") or "outbound",
    }  # fmt: skip
    now = datetime.now(UTC).isoformat()
    if event == "delivered":
        details = "smtp;250 2.0.0 OK"
        return {
            "RecordType": "Delivery", "Recipient": mail.recipient, "DeliveredAt": now, "Details": details, **common
        }  # fmt: skip
    kinds = {
        "hard": ("HardBounce", 1, f"smtp;{NO_MAILBOX}"),
        "soft": ("SoftBounce", 4096, f"smtp;{FULL}"),
        "complained": ("SpamComplaint", 100_001, ""),
    }
    kind, code, details = kinds[event]
    return {
        "RecordType": "SpamComplaint" if event == "complained" else "Bounce", "ID": uuid4().int >> 96, "Type": kind,
        "TypeCode": code, "Email": mail.recipient, "BouncedAt": now, "Details": details, **common,
    }  # fmt: skip


def _sendgrid(event: Event, mail: Taken) -> Mapping[str, object]:
    """Its drops and blocks are soft for us; a full mailbox is a block."""
    asked = _parsed(mail.header("x-smtpapi"))
    kinds: Mapping[Event, Mapping[str, object]] = {
        "delivered": {"event": "delivered", "response": "250 2.0.0 OK"},
        "hard": {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": NO_MAILBOX},
        "soft": {"event": "bounce", "type": "blocked", "status": "5.2.2", "reason": FULL},
        "complained": {"event": "spamreport"},
    }
    return {
        **asked.get("unique_args", {}), "category": asked.get("category", []), "email": mail.recipient,
        "timestamp": int(time.time()), "sg_event_id": uuid4().hex, "sg_message_id": f"{mail.id}.recvd-1",
        "smtp-id": mail.header("message-id"), **kinds[event],
    }  # fmt: skip


def _mailgun(event: Event, mail: Taken) -> Mapping[str, object]:
    hard = {"code": 550, "message": NO_MAILBOX, "enhanced-code": "5.1.1", "bounce-type": "hard"}
    soft = {"code": 552, "message": FULL, "enhanced-code": "5.2.2", "bounce-type": "soft"}
    kinds: Mapping[Event, Mapping[str, object]] = {
        "delivered": {"event": "delivered", "delivery-status": {"code": 250, "message": "OK"}},
        "hard": {"event": "failed", "severity": "permanent", "reason": "bounce", "delivery-status": hard},
        "soft": {"event": "failed", "severity": "permanent", "reason": "bounce", "delivery-status": soft},
        "complained": {"event": "complained"},
    }
    return {
        "id": uuid4().hex, "timestamp": time.time(), "recipient": mail.recipient, "envelope": {"sender": mail.sender},
        "message": {"headers": {"message-id": mail.header("message-id").strip("<>")}},
        "tags": [value for name, value in mail.headers if name.lower() == "x-mailgun-tag"],
        "user-variables": _parsed(mail.header("x-mailgun-variables")), **kinds[event],
    }  # fmt: skip


def _ses(event: Event, mail: Taken) -> Mapping[str, object]:
    one = {"emailAddress": mail.recipient}
    hard = {**one, "action": "failed", "status": "5.1.1", "diagnosticCode": f"smtp; {NO_MAILBOX}"}
    soft = {**one, "action": "failed", "status": "5.2.2", "diagnosticCode": f"smtp; {FULL}"}
    kinds: Mapping[Event, tuple[str, Mapping[str, object]]] = {
        "delivered": ("Delivery", {"recipients": [mail.recipient], "smtpResponse": "250 2.0.0 OK"}),
        "hard": ("Bounce", {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [hard]}),
        "soft": ("Bounce", {"bounceType": "Transient", "bounceSubType": "MailboxFull", "bouncedRecipients": [soft]}),
        "complained": ("Complaint", {"complainedRecipients": [one], "complaintFeedbackType": "abuse"}),
    }
    kind, about = kinds[event]
    headers = [{"name": name, "value": value} for name, value in mail.headers]
    of_mail = {"messageId": mail.id, "source": mail.sender, "destination": [mail.recipient], "headers": headers}
    return {"eventType": kind, "mail": {**of_mail, "tags": _ses_tags(mail)}, kind.lower(): about}


def _ses_tags(mail: Taken) -> Mapping[str, list[str]]:
    listed = dict(tag.strip().partition("=")[::2] for tag in mail.header("x-ses-message-tags").split(",") if tag)
    listed["ses:configuration-set"] = mail.header("x-ses-configuration-set")
    return {name: [value] for name, value in listed.items() if value}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {}
