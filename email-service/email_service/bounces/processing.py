"""What follows from a mail that came back: the notification has bounced, and its address may get no mail any more."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter

from chassis.postgres.database import Database
from chassis.security.data_keys import DataKeys
from contracts.addresses import InvalidAddress, parse_mailbox
from email_service.bounces.reading import Report, UnreadableReport, read_report
from email_service.bounces.return_path import RECIPIENT_DIGITS, BounceToken, ReturnPath
from email_service.repositories import bounces as repository
from email_service.repositories import suppressions
from email_service.repositories.bounces import Bounce
from email_service.repositories.suppressions import DeadAddress
from email_service.suppression import fingerprint, masked

log = structlog.get_logger()

# The address does not exist, takes no mail, or belongs to somebody else (RFC 3463; 7.17 and 18: RFC 7293). Everything else,
# such as a full mailbox or a filter, may pass.
_DEAD = re.compile(r"5\.(1\.(1|2|3|6|10)|2\.1|4\.4|7\.1[78])")
SOFT_BOUNCES = 5  # in a row, after which an address counts as dead
SOFT_DAYS = 14  # after a bounce; a later one begins to count again
READERS = 2  # mails that are read at once, in threads

Result = Literal[
    "hard", "soft", "complained", "delayed", "delivered", "auto_reply", "unrecognised", "unmatched", "unreadable"
]
RESULTS: tuple[Result, ...] = Result.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class _Match:
    """The notification that a report is about. `address`: whose address it is, if the report names it."""

    token: BounceToken
    address: str | None


class BounceProcessor:
    """`process` returns after the commit. Repeating it changes nothing. Raises DatabaseUnavailable."""

    def __init__(
        self, database: Database, keys: DataKeys, registry: CollectorRegistry, return_path: ReturnPath | None
    ) -> None:
        self._database = database
        self._keys = keys
        self._return_path = return_path
        self._reading = asyncio.Semaphore(READERS)
        self._counter = Counter(
            "bounces_total", "Mails that came back, by what they said", ["result"], registry=registry
        )
        for result in RESULTS:
            self._counter.labels(result)

    async def process(self, raw: bytes, *, arrived_at: str = "", trusted: bool = False) -> Result:
        """`arrived_at`: the address that the mail was sent to. `trusted`: its bearer may do without a return path of ours;
        then the Message-ID in the returned headers names the notification, if the address is the one that it went to."""
        result = await self._process(raw, arrived_at, trusted=trusted)
        self._counter.labels(result).inc()
        return result

    async def _process(self, raw: bytes, arrived_at: str, *, trusted: bool) -> Result:
        try:
            async with self._reading:
                report = await asyncio.to_thread(read_report, raw)
        except UnreadableReport as error:
            log.warning("bounce.unreadable", reason=str(error))
            return "unreadable"
        if report.kind in ("delayed", "auto_reply", "unrecognised"):
            return report.kind
        match = await self._match(report, arrived_at, trusted=trusted)
        if match is None:
            log.warning("bounce.unmatched", kind=report.kind)
            return "unmatched"
        return await self._record(report, match)

    async def _match(self, report: Report, arrived_at: str, *, trusted: bool) -> _Match | None:
        known = {fingerprint(address): address for address in _spellings(report.addresses)}
        if self._return_path is not None:
            for written in (arrived_at, *report.return_paths):
                if token := self._return_path.read(written):
                    theirs = (address for key, address in known.items() if key.startswith(token.recipient))
                    address = next(theirs, None)
                    # A mail with copies comes back for each of them; its headers name the recipient every time.
                    if token.copies and address not in {*_spellings(report.named)}:
                        return None
                    return _Match(token, address)
        if not trusted:
            return None
        async with self._database.begin() as connection:
            for token in (
                BounceToken(identity, key[:RECIPIENT_DIGITS]) for identity in report.message_ids[:2] for key in known
            ):
                if await repository.is_delivery(connection, token.notification_id, token.recipient):
                    return _Match(token, next(a for key, a in known.items() if key.startswith(token.recipient)))
        return None

    async def _record(self, report: Report, match: _Match) -> Result:
        result = _result_of(report)
        token = match.token
        bounce = Bounce(token.notification_id, report.kind, report.status)
        async with self._database.begin() as connection:
            if result == "delivered":
                if match.address is not None:
                    await repository.forget_soft(connection, fingerprint(match.address))
                return result
            written = await repository.add(connection, bounce)
            dead = result != "soft"
            if result == "soft" and written.is_new and match.address is not None:
                number = await repository.count_soft(connection, fingerprint(match.address), days=SOFT_DAYS)
                dead = number >= SOFT_BOUNCES
            if dead and match.address is not None:
                reason = "complained" if result == "complained" else "bounced"
                origin = "complaint" if result == "complained" else "bounce"
                entry = DeadAddress(fingerprint(match.address), masked(match.address), reason, origin)
                await suppressions.add(connection, [entry], keys=self._keys)
        log.info(
            "bounce.recorded",
            notification_id=str(token.notification_id),
            result=result,
            status=report.status,
            suppressed=dead and match.address is not None,
            known=written.is_known,
        )
        return result


def _result_of(report: Report) -> Result:
    if report.kind == "failed":
        return "hard" if _DEAD.fullmatch(report.status) else "soft"
    return "complained" if report.kind == "complained" else "delivered"


def _spellings(addresses: tuple[str, ...]) -> Iterator[str]:
    """An address as the report has it, and as it is stored: reports have the ASCII form of an internationalised domain."""
    for address in addresses:
        yield address
        try:
            shown = parse_mailbox(address).shown
        except InvalidAddress:
            continue
        if shown != address:
            yield shown
