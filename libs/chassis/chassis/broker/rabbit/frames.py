"""A message as the AMQP frames that carry it (AMQP 0-9-1, 2.3.5 and 4.2.6).

Written at once: pamqp's objects, made and marshalled for each message, cost four times as much. A test reads the frames
back through pamqp.
"""

import struct
from typing import cast

from pamqp import commands, encode, frame
from pamqp.common import FieldTable

from chassis.broker.base import Publication

PERSISTENT = 2

_HEADER, _BODY, _END = 2, 3, b"\xce"
_BASIC = commands.Basic.frame_id
_PROPERTIES = commands.Basic.Properties.flags
_ALWAYS = (
    _PROPERTIES["content_type"] | _PROPERTIES["delivery_mode"] | _PROPERTIES["priority"] | _PROPERTIES["message_id"]
)
_JSON = b"\x10application/json"
_start = struct.Struct(">BHI").pack  # kind, channel, length of what follows
_header = struct.Struct(">HxxQH").pack  # class, length of the body, which properties follow


class Frames:
    """For one channel and one exchange. A body's frames hold at most `largest` bytes each."""

    def __init__(self, channel: int, exchange: str, *, largest: int) -> None:
        self._channel = channel
        self._exchange = exchange
        self._largest = largest
        self._methods: dict[str, bytes] = {}

    def of(self, publication: Publication) -> bytes:
        """Raises ValueError, TypeError or struct.error for what AMQP cannot carry: an id of 256 bytes, a priority of 256."""
        header = self._properties(publication)
        parts = [
            self._method(publication.routing_key), _start(_HEADER, self._channel, len(header)), header, _END,
        ]  # fmt: skip
        for first in range(0, len(publication.body), self._largest):
            body = publication.body[first : first + self._largest]
            parts += (_start(_BODY, self._channel, len(body)), body, _END)
        return b"".join(parts)

    def _method(self, routing_key: str) -> bytes:
        """The publish frame, the same for every message of a key. Only the topology's few keys are ever kept."""
        if routing_key not in self._methods:
            method = commands.Basic.Publish(exchange=self._exchange, routing_key=routing_key, mandatory=True)
            self._methods[routing_key] = frame.marshal(method, self._channel)
        return self._methods[routing_key]

    def _properties(self, publication: Publication) -> bytes:
        """In the order of their flags, which is the protocol's."""
        flags, headers, story = _ALWAYS, b"", b""
        if publication.headers:
            flags |= _PROPERTIES["headers"]
            headers = encode.field_table(cast("FieldTable", publication.headers))
        if publication.correlation_id:
            flags |= _PROPERTIES["correlation_id"]
            story = _short(publication.correlation_id)
        fixed = _header(_BASIC, len(publication.body), flags)
        modes = bytes((PERSISTENT, publication.priority))
        return b"".join((fixed, _JSON, headers, modes, story, _short(publication.message_id)))


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw
