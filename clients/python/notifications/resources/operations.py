"""Running the system: the proof, figures, the audit trail, health, suppressed addresses."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from notifications.answers.base import Data, Nothing, PageOf, read_as
from notifications.answers.operations import (
    AuditEvent,
    Health,
    Reconciliation,
    Suppression,
    SuppressionsAdded,
    SuppressionsImported,
    SystemHealth,
)
from notifications.answers.people import VapidKey
from notifications.answers.statistics import Statistics
from notifications.bodies import chunks
from notifications.calls import Answer, Call, Steps
from notifications.endpoints import Resource, Transport, endpoint, listing
from notifications.errors import Unavailable
from notifications.paging import Listing
from notifications.requests.notifications import Channel

MAX_ADDRESSES, MAX_ADDRESS_BYTES = 1_000, 900_000
SuppressionReason = Literal["bounced", "complained", "manual"]


class Operations(Resource[Transport]):
    """What the people who run the system ask it."""

    @endpoint
    def reconcile(self, *, hours: int | None = None, recount: bool | None = None) -> Call[Reconciliation]:
        """Proves that every accepted notification is accounted for. The workers' ledgers are asked about the last `hours`."""
        query = {"hours": hours, "recount": recount}
        return self._call("GET", ("reconcile",), Data(Reconciliation), query=query)

    @endpoint
    def statistics(
        self,
        *,
        period: Literal["hour", "day", "week"] | None = None,
        notification_type: Channel | None = None,
        application_id: str | None = None,
    ) -> Call[Statistics]:
        """What became of the notifications of the last hour (or day, week), by the time of their acceptance."""
        query = {"period": period, "notification_type": notification_type, "application_id": application_id}
        return self._call("GET", ("statistics",), Data(Statistics), query=query)

    @listing
    def audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        target: str | None = None,
        service: Literal["api-gateway", "user-service", "template-service"] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        page_size: int = 100,
        cursor: str | None = None,
    ) -> Listing[AuditEvent]:
        """Who did what, in all services, newest first. For administrators."""
        return self._listing(
            ("audit",),
            PageOf(AuditEvent),
            actor=actor,
            action=action,
            target=target,
            service=service,
            since=since,
            until=until,
            page_size=page_size,
            cursor=cursor,
        )

    @endpoint
    def health(self) -> Steps[Health]:
        """The state of the gateway and of what it needs; also if it is unhealthy."""
        try:
            return (yield from self._call("GET", ("health",), _health_of, repeatable=False))
        except Unavailable as unhealthy:
            if unhealthy.code != "unhealthy":
                raise
            return Health.model_validate({"status": "unhealthy", **unhealthy.details})

    @endpoint
    def system(self) -> Call[SystemHealth]:
        """The state of every service. For administrators."""
        return self._call("GET", ("system",), Data(SystemHealth))

    @endpoint
    def vapid_key(self) -> Call[VapidKey]:
        """The key that a page subscribes browsers with."""
        return self._call("GET", ("push", "vapid-key"), Data(VapidKey))


def _health_of(answer: Answer) -> Health:
    """The status is beside the data."""
    state = read_as(dict[str, Any], answer.envelope.get("data"), answer)
    health: Health = read_as(Health, {**state, "status": answer.envelope.get("status")}, answer)
    return health


class Suppressions(Resource[Transport]):
    """Addresses that get no mail. For administrators."""

    @listing
    def list(
        self, *, reason: SuppressionReason | None = None, page_size: int = 100, page: int | None = None
    ) -> Listing[Suppression]:
        return self._listing(("suppressions",), PageOf(Suppression), reason=reason, page_size=page_size, page=page)

    @endpoint
    def get(self, address: str) -> Call[Suppression]:
        """By e-mail address, or by fingerprint. Raises NotFound if it is not suppressed."""
        return self._call("GET", ("suppressions", fingerprint(address)), Data(Suppression))

    @endpoint
    def add(self, emails: Iterable[str], *, reason: SuppressionReason = "manual") -> Steps[SuppressionsAdded]:
        """Any number of addresses, 1,000 in a call. If a call fails, those before it are added; adding all again is safe."""
        added = 0
        for chunk in chunks([*emails], MAX_ADDRESSES, MAX_ADDRESS_BYTES):
            body = {"emails": chunk, "reason": reason}
            call = self._call("POST", ("suppressions",), Data(SuppressionsAdded), body=body, repeatable=True)
            added += (yield from call).added
        return SuppressionsAdded(added=added)

    @endpoint
    def import_file(
        self, content: bytes, *, json_lines: bool = False, reason: SuppressionReason = "manual"
    ) -> Call[SuppressionsImported]:
        """A CSV file with a column `email`, or JSON lines; `reason` is for the rows without one."""
        kind = "application/x-ndjson" if json_lines else "text/csv"
        return self._call(
            "POST",
            ("suppressions", "import"),
            Data(SuppressionsImported),
            query={"reason": reason},
            body=content,
            headers={"Content-Type": kind},
            repeatable=True,
        )

    @endpoint
    def remove(self, address: str) -> Call[None]:
        """By e-mail address, or by fingerprint: mail is sent to it again."""
        return self._call("DELETE", ("suppressions", fingerprint(address)), Nothing())


def fingerprint(address: str) -> str:
    """The name of an address on the suppression list: the SHA-256 of it in lower case. A fingerprint stays as it is."""
    if "@" not in address:
        return address
    return hashlib.sha256(address.strip(" ").lower().encode()).hexdigest()
