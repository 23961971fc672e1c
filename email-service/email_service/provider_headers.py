"""What an e-mail provider is told about a mail, in headers that it reads and takes away.

Sources: https://postmarkapp.com/developer/user-guide/send-email-with-smtp (X-PM-*),
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-send-email.html (X-SES-*),
https://www.twilio.com/docs/sendgrid/for-developers/sending-email/building-an-x-smtpapi-header and
https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-smtp (X-Mailgun-*)
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from contracts.emails import ProviderOptions

ServiceName = Literal["postmark", "ses", "sendgrid", "mailgun"]
Headers = list[tuple[str, str]]


def _postmark(tag: str | None, stream: str | None, metadata: Mapping[str, str]) -> Headers:
    found = [(f"X-PM-Metadata-{name}", value) for name, value in metadata.items()]
    return [*_given("X-PM-Tag", tag), *_given("X-PM-Message-Stream", stream), *found]


def _ses(tag: str | None, stream: str | None, metadata: Mapping[str, str]) -> Headers:
    """Its message tags have names; the tag's is `tag`."""
    tags = [*_given("tag", tag), *metadata.items()]
    listed = ", ".join(f"{name}={value}" for name, value in tags)
    return [*_given("X-SES-CONFIGURATION-SET", stream), *_given("X-SES-MESSAGE-TAGS", listed)]


def _sendgrid(tag: str | None, stream: str | None, metadata: Mapping[str, str]) -> Headers:
    """One header: of several SendGrid reads the first. The JSON has blanks between its parts only, where it is folded."""
    asked = {"category": [tag] if tag else None, "unique_args": metadata, "ip_pool": stream}
    return [("X-SMTPAPI", json.dumps({name: value for name, value in asked.items() if value}))]


def _mailgun(tag: str | None, stream: str | None, metadata: Mapping[str, str]) -> Headers:
    variables = json.dumps(dict(metadata)) if metadata else None
    return [
        *_given("X-Mailgun-Tag", tag),
        *_given("X-Mailgun-Sending-Ip-Pool", stream),
        *_given("X-Mailgun-Variables", variables),
    ]


def _given(name: str, value: str | None) -> Headers:
    return [(name, value)] if value else []


_HEADERS: Mapping[ServiceName, Callable[[str | None, str | None, Mapping[str, str]], Headers]] = {
    "postmark": _postmark,
    "ses": _ses,
    "sendgrid": _sendgrid,
    "mailgun": _mailgun,
}


@dataclass(frozen=True, slots=True)
class MailService:
    """`name`: whose headers an SMTP provider reads; None: it is told nothing. `streams`: its own names of streams, by the
    names that callers use; an empty one: none.
    """

    name: ServiceName | None = None
    streams: Mapping[str, str] = field(default_factory=dict)

    def headers(self, options: ProviderOptions) -> Headers:
        """Their values have no blanks, except between the parts of a list."""
        stream = self.streams.get(options.stream or "", options.stream)
        if self.name is None or not (options.tag or stream or options.metadata):
            return []
        return _HEADERS[self.name](options.tag, stream, options.metadata)


NO_SERVICE = MailService()
