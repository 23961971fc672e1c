"""A mail server that takes every message and records its Message-ID and the time of its final dot."""

import asyncio
import re
from typing import cast

from bench.sinks.replies import Delay, Replier
from bench.sinks.tally import Tally

GREETING = b"220 sink ESMTP\r\n"
EXTENSIONS = (
    b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 35882577\r\n"
)
OK = b"250 2.0.0 Ok\r\n"
GO_AHEAD = b"354 End data with <CR><LF>.<CR><LF>\r\n"
ANSWERS = {b"EHLO": EXTENSIONS, b"HELO": OK, b"NOOP": OK, b"RSET": OK, b"QUIT": b"221 2.0.0 Bye\r\n"}
BAD_SEQUENCE = b"503 5.5.1 Bad sequence of commands\r\n"
UNKNOWN = b"500 5.5.2 Unknown command\r\n"
END = b"\r\n.\r\n"
MAX_COMMAND = 4096
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*<([^@>\r\n]+)", re.IGNORECASE | re.MULTILINE)


class SmtpSession(asyncio.Protocol):
    """One connection. Commands may arrive in any pieces, and several at once (RFC 2920)."""

    def __init__(self, tally: Tally, delay: Delay) -> None:
        self._tally = tally
        self._delay = delay
        self._received = bytearray()
        self._in_data = False
        self._searched = 0
        self._sender = False
        self._recipients = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.WriteTransport", transport)  # uvloop's transport is none by inheritance
        self._replier = Replier(stream, self._delay)
        self._replier.say(GREETING)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._message() if self._in_data else self._command():
            pass

    def _command(self) -> bool:
        """Handles one command from the received bytes. Returns False while it is incomplete."""
        end = self._received.find(b"\r\n")
        if end < 0:
            if len(self._received) > MAX_COMMAND:
                self._replier.say(UNKNOWN, last=True)
                self._received.clear()
            return False
        line = bytes(self._received[:end])
        del self._received[: end + 2]
        verb = line[:4].upper()
        self._replier.say(self._answer(verb), last=verb == b"QUIT")
        return True

    def _answer(self, verb: bytes) -> bytes:
        match verb:
            case b"MAIL" | b"RCPT" | b"DATA":
                return self._transaction(verb)
            case b"RSET":
                self._forget()
        return ANSWERS.get(verb, UNKNOWN)

    def _transaction(self, verb: bytes) -> bytes:
        if verb == b"MAIL" and not self._sender:
            self._sender = True
        elif verb == b"RCPT" and self._sender:
            self._recipients += 1
        elif verb == b"DATA" and self._recipients:
            # The line end before the message is part of its final dot: an empty message is only a dot.
            self._received[:0] = b"\r\n"
            self._in_data, self._searched = True, 0
        else:
            return BAD_SEQUENCE
        return GO_AHEAD if verb == b"DATA" else OK

    def _message(self) -> bool:
        """Handles the message once its final dot has arrived. Searches only the new bytes."""
        end = self._received.find(END, self._searched)
        if end < 0:
            self._searched = max(0, len(self._received) - len(END) + 1)
            return False
        message = unstuffed(bytes(self._received[2:end]))
        del self._received[: end + len(END)]
        for _ in range(self._recipients):
            self._tally.take(message_key(message))
        self._in_data = False
        self._forget()
        self._replier.say(b"250 2.0.0 Ok: queued as %X\r\n" % (0x1000000 + self._tally.number))
        return True

    def _forget(self) -> None:
        self._sender, self._recipients = False, 0


def unstuffed(data: bytes) -> bytes:
    """The content between DATA and the final dot, with dot-stuffing removed."""
    if data.startswith(b"."):
        data = data[1:]
    return data.replace(b"\r\n.", b"\r\n")


def message_key(message: bytes) -> str:
    """The left side of the Message-ID, which is the notification's id. "" if there is none."""
    headers = message.partition(b"\r\n\r\n")[0]
    found = _MESSAGE_ID.search(headers)
    return found[1].decode("ascii", "replace") if found else ""
