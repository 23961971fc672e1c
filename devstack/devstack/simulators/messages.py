"""What a provider took. Parsing waits until somebody looks: receiving must be cheap (thousands a second)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from functools import cached_property

from devstack.simulators import mime


@dataclass(frozen=True)
class ReceivedEmail:
    """One e-mail as one recipient got it. `raw` is what came between DATA and the final dot, dots unstuffed."""

    id: int
    received_at: datetime
    envelope_from: str
    recipient: str
    raw: bytes

    @cached_property
    def message_id(self) -> str:
        """With its angle brackets, as sent; empty when the message has none."""
        return mime.message_id(self.raw)

    @property
    def key(self) -> str:
        """What stays equal when the same notification is sent again."""
        return self.message_id

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """In their order, unfolded and decoded."""
        return mime.headers(self.raw)

    @property
    def subject(self) -> str:
        return self._header("subject")

    @property
    def from_header(self) -> str:
        return self._header("from")

    @property
    def to_header(self) -> str:
        return self._header("to")

    @property
    def html(self) -> str:
        """The text/html part, decoded; empty when there is none."""
        return mime.body(self._tree, "text/html")

    @property
    def text(self) -> str:
        """The text/plain part, decoded; empty when there is none."""
        return mime.body(self._tree, "text/plain")

    @property
    def source(self) -> str:
        return self.raw.decode("utf-8", "replace")

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.raw)

    @cached_property
    def _tree(self) -> Message:
        return mime.parse(self.raw)

    def _header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass(frozen=True)
class ReceivedPush:
    """One push message. `raw` is the JSON of the request's `message`; the two ids are the request's headers."""

    id: int
    received_at: datetime
    token: str
    raw: str
    correlation_id: str = ""
    request_id: str = ""

    @property
    def recipient(self) -> str:
        return self.token

    @property
    def key(self) -> str:
        """What stays equal when the same notification is sent again. FCM has no such field: the sender's own."""
        return self.data.get("notification_id") or self.request_id or self.correlation_id

    @property
    def title(self) -> str:
        return self._text("notification", "title")

    @property
    def body(self) -> str:
        return self._text("notification", "body")

    @property
    def image(self) -> str:
        return self._text("notification", "image")

    @property
    def link(self) -> str:
        """Where a tap leads: FCM's web link, else `link` or `url` of the data."""
        return self._text("webpush", "fcm_options", "link") or self.data.get("link", "") or self.data.get("url", "")

    @cached_property
    def data(self) -> dict[str, str]:
        found = self._at("data")
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}

    @cached_property
    def _message(self) -> object:
        return json.loads(self.raw)

    def _at(self, *path: str) -> object:
        found = self._message
        for step in path:
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def _text(self, *path: str) -> str:
        found = self._at(*path)
        return found if isinstance(found, str) else ""


Received = ReceivedEmail | ReceivedPush
