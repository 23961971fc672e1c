"""The bytes of a message, from what was prepared once.

Building a MIME tree a message costs 0.65 to 2.4 ms; joining prepared pieces about 0.02 ms. What a tree would guarantee is
guaranteed here by `headers` (no value ends a line or adds a header) and `bodies` (no value ends a part).
"""

import time
from collections.abc import Callable
from email.utils import formatdate

from chassis.security import Sender
from contracts.addresses import Mailbox, parse_mailbox
from delivery.channel import DeliveryContext
from email_service.bodies import BOUNDARY, encoded
from email_service.headers import addressed, unstructured
from templating import RenderedEmail

_FIXED = b"MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n"  # RFC 3834: nobody's holiday answer is wanted
_ALTERNATIVE = b'Content-Type: multipart/alternative; boundary="' + BOUNDARY + b'"\r\n\r\n--' + BOUNDARY + b"\r\n"
_NEXT_PART = b"\r\n--" + BOUNDARY + b"\r\n"
_LAST_PART_ENDS = b"\r\n--" + BOUNDARY + b"--\r\n"


class MessageBuilder:
    """What all messages of one sender have in common. `clock` gives seconds since the epoch, for the Date header."""

    def __init__(self, sender: Mailbox, name: str, *, clock: Callable[[], float] = time.time) -> None:
        self._sender, self._name = sender, name
        self._from = addressed("From", name, sender)
        self._domain = sender.domain
        self._clock = clock
        self._date = (-1, b"")

    def message_id(self, context: DeliveryContext) -> str:
        """The same on every attempt, so that a copy can be recognised."""
        return f"<{context.notification_id}@{self._domain}>"

    def write(self, content: RenderedEmail, name: str, mailbox: Mailbox, context: DeliveryContext) -> bytes:
        """The whole message, every line ended by CRLF, none longer than 998 bytes; dots are not stuffed yet.

        Raises InvalidAddress for the context's `sender`.
        """
        return b"".join(
            (
                self._date_line(),
                self._from if context.sender is None else self._from_application(context.sender),
                addressed("To", name, mailbox),
                unstructured("Subject", content.subject),
                self._ids(context),
                unstructured("X-Correlation-ID", context.correlation_id),
                _FIXED,
                _body(content),
            )
        )

    def _from_application(self, sender: Sender) -> bytes:
        """MAIL FROM and Message-ID stay ours: what bounces comes back to us."""
        mailbox = self._sender if sender.from_email is None else parse_mailbox(sender.from_email)
        line = addressed("From", self._name if sender.from_name is None else sender.from_name, mailbox)
        return line if sender.reply_to is None else line + addressed("Reply-To", "", parse_mailbox(sender.reply_to))

    def _ids(self, context: DeliveryContext) -> bytes:
        identity = str(context.notification_id)
        return f"Message-ID: <{identity}@{self._domain}>\r\nX-Notification-ID: {identity}\r\n".encode()

    def _date_line(self) -> bytes:
        """Made once a second: `formatdate` alone would cost a third of the message."""
        second = int(self._clock())
        if self._date[0] != second:
            self._date = (second, f"Date: {formatdate(second)}\r\n".encode())
        return self._date[1]


def _body(content: RenderedEmail) -> bytes:
    text = encoded("text/plain", content.text)
    if not content.html:
        return text + b"\r\n"
    return b"".join((_ALTERNATIVE, text, _NEXT_PART, encoded("text/html", content.html), _LAST_PART_ENDS))
