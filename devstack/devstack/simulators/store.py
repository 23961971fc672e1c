"""The inbox: every message that the simulated providers took."""

from datetime import UTC, datetime
from pathlib import Path

from devstack.simulators.journal import Journal, Totals
from devstack.simulators.messages import Received, ReceivedEmail, ReceivedPush
from devstack.simulators.shelf import Shelf


class Inbox:
    """Keeps the newest `keep` messages of each kind, and with a `path` finds them there again after a restart.

    Ids grow by arrival over both kinds and are never used twice, not after `clear()` and not after a restart.
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

    def take_push(self, *, token: str, raw: str, correlation_id: str = "", request_id: str = "") -> ReceivedPush:
        push = ReceivedPush(self._next_id(), datetime.now(UTC), token, raw, correlation_id, request_id)
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
