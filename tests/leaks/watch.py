"""Every log line that the tests' services write, as they would write it in production, and what may not be in it."""

import io
import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import structlog

from chassis.observability.logs import configure_logs
from tests.leaks.values import personal_in, shape_in

# No logs, though a process writes them as it runs: what it prints for the one who called it.
PRINTED = (
    "up.txt",  # `make up` shows how to log in to one's own machine
    "up-*.txt",
    "served-*.txt",  # the README's commands: `create-admin` says whom it made
)


EVENT_NAME = re.compile(r"[a-z_]+(\.[a-z_]+)+")


class Leak(NamedTuple):
    """Where a value is, and what kind it is of; never the value."""

    source: str
    event: str
    place: str
    kind: str


class _Written(io.BytesIO):
    """What production's logging writes here."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, piece: Any) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> str:
        taken, self.pieces = self.pieces, []
        return b"".join(taken).decode(errors="replace")


@dataclass
class _LogFile:
    """Read through one descriptor: also what is written until its process ends, and after the file is deleted."""

    path: Path
    descriptor: int
    offset: int = 0
    rest: bytes = b""

    def take(self) -> str:
        read = b"".join(iter(self._next, b""))
        whole, newline, self.rest = (self.rest + read).rpartition(b"\n")
        return (whole + newline).decode(errors="replace")

    def _next(self) -> bytes:
        piece = os.pread(self.descriptor, 1 << 20, self.offset)
        self.offset += len(piece)
        return piece


class Watch:
    """Of one run of pytest. `begin` comes first; without it nothing is watched (the bench uses the same servers)."""

    def __init__(self) -> None:
        self._written: _Written | None = None
        self._files: dict[tuple[int, int], _LogFile] = {}
        self._learnt: set[str] = set()

    def begin(self) -> None:
        """Production's own logging writes each line a second time, here: of the loggers of this process."""
        self._written = _Written()
        root, handlers, configured = logging.getLogger(), logging.getLogger().handlers[:], structlog.get_config()
        configure_logs(stream=self._written)
        watched = _also_written(self._written, structlog.get_config()["processors"])
        structlog.configure(**{**configured, "wrapper_class": watched})
        root.handlers[:] = [*handlers, *root.handlers]

    def file(self, path: Path) -> None:
        """Watched from its beginning. The same file twice is one."""
        if self._written is None or any(path.match(printed) for printed in PRINTED):
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        identity = status.st_dev, status.st_ino
        if identity in self._files:
            os.close(descriptor)
        else:
            self._files[identity] = _LogFile(path, descriptor)

    def learn(self, *bodies: bytes) -> None:
        """Until the next `leaks`, what is personal in these bodies may be in no line."""
        if self._written is not None:
            self._learnt.update(value for body in bodies for value in personal_in(body))

    def learn_exchange(self, answer: httpx2.Response) -> None:
        """Of an answer that has been read; a request's stream is gone by then."""
        asked = answer.request.content if isinstance(answer.request.stream, httpx2.ByteStream) else b""
        self.learn(asked, answer.content)

    def leaks(self) -> list[Leak]:
        """In what was written since the last time."""
        learnt, self._learnt = self._learnt, set()
        if self._written is None:
            return []
        texts = [
            ("this process", self._written.take()),
            *((file.path.name, file.take()) for file in self._files.values()),
        ]
        return [leak for source, text in texts for leak in _leaks(source, text, learnt)]


WATCH = Watch()


def _also_written(stream: _Written, processors: list[Any]) -> type:
    """A logger's class: unlike a processor it is there within `capture_logs` too."""

    class Watched(structlog.make_filtering_bound_logger(logging.INFO)):  # type: ignore[misc]  # made at run time
        def _proxy_to_logger(self, method_name: str, event: str | None = None, **fields: Any) -> Any:
            written: Any = {**self._context, **fields, "event": event}
            for processor in processors:
                written = processor(None, method_name, written)
            stream.write(written + b"\n")
            return super()._proxy_to_logger(method_name, event, **fields)

    return Watched


def _leaks(source: str, text: str, learnt: set[str]) -> Iterator[Leak]:
    told = [value for value in learnt if _as_written(value) in text]
    if not told and shape_in(text) is None:
        return
    for line in text.splitlines():
        for event, place, part in _parts(line):
            kind = shape_in(part) or ("learnt" if any(value in part for value in told) else None)
            if kind:
                yield Leak(source, event, place, kind)


def _parts(line: str) -> Iterator[tuple[str, str, str]]:
    """Event, key and text of each field of a JSON line. Any other line, and a library's message, has no name of its own."""
    try:
        fields = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        yield "a line", "text", line
        return
    said = str(fields.get("event"))
    event = said if EVENT_NAME.fullmatch(said) else "a message"
    for key, value in fields.items():
        yield event, key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_written(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]
