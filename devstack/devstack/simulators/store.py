"""The messages of one kind: the newest in memory, a journal on disk, and waiting for the next one."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar, cast

from chassis.http.envelope import pluralize
from devstack.simulators.messages import PushProvider, Received, ReceivedEmail, ReceivedPush

M = TypeVar("M", ReceivedEmail, ReceivedPush)


class Shelf(Generic[M]):
    """Stores the newest `keep` messages. `total` counts all accepted messages, `refused` all refused attempts."""

    def __init__(self, keep: int) -> None:
        self.total = 0
        self.refused = 0
        self._keep = keep
        self._kept: OrderedDict[int, M] = OrderedDict()
        self._arrival = asyncio.Event()

    def put(self, message: M) -> None:
        self.total += 1
        self._kept[message.id] = message
        if len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        self._arrival.set()

    def get(self, message_id: int) -> M | None:
        return self._kept.get(message_id)

    def clear(self) -> None:
        self._kept.clear()
        self.total = self.refused = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[M]:
        """The stored messages, oldest first."""
        return iter(self._kept.values())

    def newest_first(self) -> Iterator[M]:
        return reversed(self._kept.values())

    def after(self, message_id: int) -> list[M]:
        """The stored messages after that one, oldest first. The cost depends on the result, not on the number of stored
        messages.
        """
        newer: list[M] = []
        for message in self.newest_first():
            if message.id <= message_id:
                break
            newer.append(message)
        return newer[::-1]

    async def wait_for(
        self, count: int = 1, *, matching: Callable[[M], bool] = lambda _: True, within: float = 10
    ) -> list[M]:
        """Waits for at least `count` matching messages, oldest first, including those already stored. Raises TimeoutError."""
        found: list[M] = []
        seen = 0
        try:
            async with asyncio.timeout(within):
                while True:
                    newer = self.after(seen)
                    seen = newer[-1].id if newer else seen
                    found += filter(matching, newer)
                    if len(found) >= count:
                        return found
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            raise TimeoutError(
                f"{len(found)} of {pluralize(count, 'message')} after {within} s, {self.total} in all"
            ) from None


@dataclass(frozen=True)
class Totals:
    """Counts that the stored messages do not contain. They are written after them, and replace what was counted while
    reading.
    """

    last_id: int
    emails: int
    pushes: int


class Journal:
    def __init__(self, path: Path) -> None:
        self.lines = 0
        self.torn = False
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # it contains what was written to people
        self._file = path.open("ab", buffering=0)

    def read(self) -> Iterator[Received | Totals]:
        """The messages in the order in which they were written. A line that a crash cut off is skipped and recorded in
        `torn`.
        """
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
        """Replaces the file in one step: a crash leaves either the old or the new file."""
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
            # Latin-1 maps every byte to one character and back, whatever encoding the mail declares.
            line = ["email", id, at.isoformat(), envelope_from, recipient, raw.decode("latin-1")]
        case ReceivedPush(id, at, token, message, correlation_id, request_id, provider):
            line = ["push", id, at.isoformat(), token, message, correlation_id, request_id, provider]
        case Totals(last_id, emails, pushes):
            line = ["totals", last_id, emails, pushes]
    return json.dumps(line).encode() + b"\n"


def _decode(line: bytes) -> Received | Totals | None:
    try:
        match json.loads(line):
            case ["email", int(id), str(at), str(envelope_from), str(recipient), str(raw)]:
                return ReceivedEmail(id, datetime.fromisoformat(at), envelope_from, recipient, raw.encode("latin-1"))
            case ["push", int(id), str(at), str(token), str(message), str(correlation_id), str(request_id), *provider]:
                # A journal of an earlier release has no provider.
                sent_by = cast("PushProvider", provider[0]) if provider else "fcm"
                return ReceivedPush(id, datetime.fromisoformat(at), token, message, correlation_id, request_id, sent_by)
            case ["totals", int(last_id), int(emails), int(pushes)]:
                return Totals(last_id, emails, pushes)
    except ValueError:
        return None
    return None


class Inbox:
    """Stores the newest `keep` messages of each kind. With a `path`, they are still there after a restart.

    Ids increase by arrival across both kinds. None is used twice, even after `clear()` or a restart.
    """

    def __init__(self, path: Path | None = None, *, keep: int = 10_000) -> None:
        self.emails: Shelf[ReceivedEmail] = Shelf(keep)
        self.pushes: Shelf[ReceivedPush] = Shelf(keep)
        self._keep = keep
        self._last_id = 0
        self._journal = Journal(path) if path else None
        if self._journal:
            self._restore(self._journal)

    def take_email(self, *, envelope_from: str, recipient: str, raw: bytes) -> ReceivedEmail:
        email = ReceivedEmail(self._next_id(), datetime.now(UTC), envelope_from, recipient, raw)
        self.emails.put(email)
        self._write(email)
        return email

    def take_push(
        self,
        *,
        token: str,
        raw: str,
        correlation_id: str = "",
        request_id: str = "",
        provider: PushProvider = "fcm",
    ) -> ReceivedPush:
        push = ReceivedPush(self._next_id(), datetime.now(UTC), token, raw, correlation_id, request_id, provider)
        self.pushes.put(push)
        self._write(push)
        return push

    def get(self, message_id: int) -> Received | None:
        return self.emails.get(message_id) or self.pushes.get(message_id)

    def clear(self) -> None:
        self.emails.clear()
        self.pushes.clear()
        if self._journal:
            self._journal.rewrite([], self._totals())

    def close(self) -> None:
        if self._journal:
            self._journal.close()

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _write(self, message: Received) -> None:
        if self._journal:
            self._journal.append(message)
            self._compact_if_long(self._journal)

    def _compact_if_long(self, journal: Journal) -> None:
        kept = len(self.emails) + len(self.pushes)
        if journal.torn or journal.lines > 2 * max(self._keep, kept):
            messages = sorted([*self.emails, *self.pushes], key=lambda message: message.id)
            journal.rewrite(messages, self._totals())

    def _totals(self) -> Totals:
        return Totals(self._last_id, self.emails.total, self.pushes.total)

    def _restore(self, journal: Journal) -> None:
        for entry in journal.read():
            match entry:
                case ReceivedEmail():
                    self.emails.put(entry)
                    self._last_id = entry.id
                case ReceivedPush():
                    self.pushes.put(entry)
                    self._last_id = entry.id
                case Totals():
                    self._last_id, self.emails.total, self.pushes.total = entry.last_id, entry.emails, entry.pushes
        self._compact_if_long(journal)
