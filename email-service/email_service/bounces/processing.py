"""Finds the notification of a mail that came back. `recording.py` records the result."""

import asyncio
from collections.abc import Iterator

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.postgres.database import Database
from contracts.addresses import fingerprint, stored_spelling
from email_service.bounces.reading import BounceReport, UnreadableBounceReport, read_report
from email_service.bounces.recording import BounceRecorder, Match, ReportResult
from email_service.bounces.return_path import RECIPIENT_DIGITS, BounceToken, ReturnPath
from email_service.repositories import bounces as repository

log = structlog.get_logger()

READERS = 2  # mails that are read at once, in threads


class BounceProcessor:
    """`process` returns after the commit. Repeating it changes nothing. Raises DatabaseUnavailable."""

    def __init__(self, database: Database, recorder: BounceRecorder, return_path: ReturnPath | None) -> None:
        self._database = database
        self._recorder = recorder
        self._return_path = return_path
        self._reading = asyncio.Semaphore(READERS)

    async def process(self, raw: bytes, *, arrived_at: str = "", trusted: bool = False) -> ReportResult:
        """`arrived_at`: the address that the mail was sent to. `trusted`: its bearer may do without a return path of ours;
        then the Message-ID in the returned headers names the notification, if the address is the one that it went to."""
        result = await self._process(raw, arrived_at, trusted=trusted)
        self._recorder.count(result)
        return result

    async def _process(self, raw: bytes, arrived_at: str, *, trusted: bool) -> ReportResult:
        try:
            async with self._reading:
                report = await asyncio.to_thread(read_report, raw)
        except UnreadableBounceReport as error:
            log.warning("bounce.unreadable", reason=str(error))
            return "unreadable"
        if report.kind in ("auto_reply", "unrecognised"):
            return report.kind
        async with self._database.begin() as connection:
            match = await self._match(connection, report, arrived_at, trusted=trusted)
            if match is not None:
                return await self._recorder.record(connection, report, match)
        if report.kind == "delayed":  # nothing follows from it, unless the mail is in doubt
            return report.kind
        log.warning("bounce.unmatched", kind=report.kind)
        return "unmatched"

    async def _match(
        self, connection: AsyncConnection, report: BounceReport, arrived_at: str, *, trusted: bool
    ) -> Match | None:
        try:
            match = by_return_path(report, arrived_at, self._return_path)
        except ReportAboutCopy:
            return None
        return await _by_message_id(connection, report) if match is None and trusted else match


class ReportAboutCopy(Exception):
    """The report concerns a copy of the mail, so the notification itself was delivered."""


def by_return_path(report: BounceReport, arrived_at: str, return_path: ReturnPath | None) -> Match | None:
    """The notification that one of our return paths identifies. Its address only if the return path was made for it.

    Raises ReportAboutCopy: a mail with copies comes back for each of them, and its headers name the recipient every time.
    """
    if return_path is None:
        return None
    for written in (arrived_at, *report.return_paths):
        if token := return_path.read(written):
            known = ((fingerprint(address), address) for address in _spellings(report.addresses))
            address = next((address for key, address in known if key.startswith(token.recipient_digits)), None)
            if token.copies and address not in {*_spellings(report.named)}:
                raise ReportAboutCopy
            return Match(token, address)
    return None


async def _by_message_id(connection: AsyncConnection, report: BounceReport) -> Match | None:
    known = {fingerprint(address)[:RECIPIENT_DIGITS]: address for address in _spellings(report.addresses)}
    for token in (BounceToken(identity, key) for identity in report.message_ids[:2] for key in known):
        if await repository.is_delivery(connection, token.notification_id, token.recipient_digits):
            return Match(token, known[token.recipient_digits])
    return None


def _spellings(addresses: tuple[str, ...]) -> Iterator[str]:
    """An address as the report has it, and as it is stored."""
    for address in addresses:
        yield address
        stored = stored_spelling(address)
        if stored is not None and stored != address:
            yield stored
