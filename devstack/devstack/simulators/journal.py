"""The inbox on disk: one JSON line a message, so that what `make up` delivered is still there after a restart."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from devstack.simulators.messages import Received, ReceivedEmail, ReceivedPush


@dataclass(frozen=True)
class Totals:
    """What the kept messages no longer tell. Written after them: it overrides what was counted while reading so far."""

    last_id: int
    emails: int
    pushes: int


class Journal:
    def __init__(self, path: Path) -> None:
        self.lines = 0
        self.torn = False
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # it holds what was written to people
        self._file = path.open("ab", buffering=0)

    def read(self) -> Iterator[Received | Totals]:
        """What was written, oldest first. A line that a crash cut short is skipped and remembered in `torn`."""
        with self._path.open("rb") as lines:
            for line in lines:
                self.lines += 1
                entry = _decode(line)
                if entry is None:
                    self.torn = True
                else:
                    yield entry

    def append(self, message: Received) -> None:
        self._file.write(_encode(message))
        self.lines += 1

    def rewrite(self, messages: Iterable[Received], totals: Totals) -> None:
        """Replaces the file in one step: a crash leaves the old one or the new one."""
        draft = self._path.with_name(self._path.name + ".new")
        draft.touch(mode=0o600)
        with draft.open("wb") as file:
            self.lines = sum(1 for entry in (*messages, totals) if file.write(_encode(entry)))
        draft.replace(self._path)
        self._file.close()
        self._file = self._path.open("ab", buffering=0)
        self.torn = False

    def close(self) -> None:
        self._file.close()


def _encode(entry: Received | Totals) -> bytes:
    line: list[int | str]
    match entry:
        case ReceivedEmail(id, at, envelope_from, recipient, raw):
            # Latin-1 maps every byte to one character and back, whatever encoding the mail claims.
            line = ["email", id, at.isoformat(), envelope_from, recipient, raw.decode("latin-1")]
        case ReceivedPush(id, at, token, message, correlation_id, request_id):
            line = ["push", id, at.isoformat(), token, message, correlation_id, request_id]
        case Totals(last_id, emails, pushes):
            line = ["totals", last_id, emails, pushes]
    return json.dumps(line).encode() + b"\n"


def _decode(line: bytes) -> Received | Totals | None:
    try:
        match json.loads(line):
            case ["email", int(id), str(at), str(envelope_from), str(recipient), str(raw)]:
                return ReceivedEmail(id, datetime.fromisoformat(at), envelope_from, recipient, raw.encode("latin-1"))
            case ["push", int(id), str(at), str(token), str(message), str(correlation_id), str(request_id)]:
                return ReceivedPush(id, datetime.fromisoformat(at), token, message, correlation_id, request_id)
            case ["totals", int(last_id), int(emails), int(pushes)]:
                return Totals(last_id, emails, pushes)
    except ValueError:
        return None
    return None
