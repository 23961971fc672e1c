"""Where in an SMTP dialogue something happened: it decides whether the message may have been taken."""

from dataclasses import dataclass
from enum import Enum, auto

from delivery.channel import NotReady

CLOSING = 421  # the server's reply when it is about to hang up


class Phase(Enum):
    """Only in DOT, while the answer to the whole message is awaited, can nobody know."""

    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    DOT = auto()


@dataclass(frozen=True, slots=True)
class SmtpEnvelope:
    """One message for one recipient: the envelope's two addresses and the bytes between DATA and the final dot."""

    sender: str
    recipient: str
    needs_utf8: bool
    message: bytes


class NoConnection(NotReady):
    """There is none to be had: nothing was sent, and the message is not to blame."""


class Refused(Exception):
    """A 4yz or 5yz reply: certainly not taken."""

    def __init__(self, phase: Phase, code: int, text: str) -> None:
        super().__init__(phase.name, code)
        self.phase = phase
        self.code = code
        self.text = text


class Lost(Exception):
    """The connection broke, an answer did not come in time, or what came was no answer."""

    def __init__(self, phase: Phase, reason: str) -> None:
        super().__init__(phase.name, reason)
        self.phase = phase
        self.reason = reason
