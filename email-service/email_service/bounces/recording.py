"""Records reports about mails: the notification bounced or arrived, and its address may be suppressed."""

import re
from dataclasses import dataclass
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.security.data_keys import DataKeys
from contracts.addresses import fingerprint, masked
from email_service.bounces.reading import BounceReport
from email_service.bounces.return_path import BounceToken
from email_service.repositories import bounces as repository
from email_service.repositories import suppressions, webhooks
from email_service.repositories.bounces import Bounce, Written
from email_service.repositories.suppressions import SuppressedAddress

log = structlog.get_logger()

# The address does not exist, accepts no mail, or belongs to another person (RFC 3463; 7.17 and 18: RFC 7293). Any other
# failure, such as a full mailbox or a filter, may be temporary.
_DEAD = re.compile(r"5\.(1\.(1|2|3|6|10)|2\.1|4\.4|7\.1[78])")
SOFT_BOUNCES = 5  # in a row, after which an address counts as dead
SOFT_DAYS = 14  # after a bounce; a later one begins to count again

RecordedResult = Literal["hard", "soft", "complained", "delayed", "delivered"]
ReportResult = Literal[
    "hard", "soft", "complained", "delayed", "delivered", "auto_reply", "unrecognised", "unmatched", "unreadable"
]
RESULTS: tuple[ReportResult, ...] = ReportResult.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Match:
    """The notification that a report concerns. `address`: the recipient's, if the report names it.

    `token` None: the report concerns a copy, so only the address counts.
    """

    token: BounceToken | None
    address: str | None


class BounceRecorder:
    """`record` writes in the caller's transaction; `count` comes after its commit."""

    def __init__(self, data_keys: DataKeys, registry: CollectorRegistry) -> None:
        self._data_keys = data_keys
        self._counter = Counter(
            "bounces_total", "Mails that came back, by what they said", ["result"], registry=registry
        )
        for result in RESULTS:
            self._counter.labels(result)

    async def record(self, connection: AsyncConnection, report: BounceReport, match: Match) -> RecordedResult:
        result = _result_of(report)
        identity = None if match.token is None else match.token.notification_id
        if result == "delivered":
            await _record_delivery(connection, match)
            return result
        if result == "delayed":
            if identity is not None:
                await repository.add_delay(connection, identity, report.status)
            return result
        written = Written(is_known=False, is_new=True)
        if identity is not None:
            written = await repository.add(connection, Bounce(identity, report.kind, report.status))
        dead = result != "soft"
        if result == "soft" and written.is_new and match.address is not None:
            number = await repository.count_soft(connection, fingerprint(match.address), days=SOFT_DAYS)
            dead = number >= SOFT_BOUNCES
        if dead and match.address is not None:
            reason = "complained" if result == "complained" else "bounced"
            origin = "complaint" if result == "complained" else "bounce"
            entry = SuppressedAddress(fingerprint(match.address), masked(match.address), reason, origin, identity)
            await suppressions.add(connection, [entry], data_keys=self._data_keys)
        log.info(
            "bounce.recorded",
            notification_id=None if identity is None else str(identity),
            result=result,
            status=report.status,
            suppressed=dead and match.address is not None,
            known=written.is_known,
        )
        return result

    def count(self, result: ReportResult) -> None:
        self._counter.labels(result).inc()


async def _record_delivery(connection: AsyncConnection, match: Match) -> None:
    if match.token is not None:
        await webhooks.confirm(connection, match.token.notification_id)
    if match.address is not None:
        await repository.forget_soft(connection, fingerprint(match.address))


def _result_of(report: BounceReport) -> RecordedResult:
    match report.kind:
        case "failed":
            dead = _DEAD.fullmatch(report.status) is not None if report.dead is None else report.dead
            return "hard" if dead else "soft"
        case "complained" | "delayed" as told:
            return told
        case _:
            return "delivered"
