"""The e-mail service's suppression list, and mails that came back, for administrators."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TypeVar

from pydantic import TypeAdapter

from api_gateway.errors import SuppressionNotFound
from api_gateway.repositories.audit import TRAIL
from chassis.audit import Actor, Change
from chassis.errors import DependencyUnavailable, PayloadTooLarge
from chassis.http.client import ServiceClient, data_of, found_of
from chassis.http.envelope import Envelope
from chassis.postgres.database import Database
from contracts.suppressions import (
    MAX_EXPORTED,
    MAX_SUPPRESSIONS,
    BounceResult,
    ExportedAddress,
    NewSuppressions,
    SuppressionEntry,
    SuppressionExportPage,
    SuppressionExportQuestion,
    SuppressionFindings,
    SuppressionQuestion,
    SuppressionReason,
    SuppressionsAdded,
)

PATH, EXPORT, BOUNCES = "/internal/suppressions", "/internal/suppression-export", "/internal/bounces"
_ENTRY = TypeAdapter(Envelope[SuppressionEntry])
_FINDINGS = TypeAdapter(Envelope[SuppressionFindings])
_EXPORTED = TypeAdapter(Envelope[SuppressionExportPage])
_ADDED = TypeAdapter(Envelope[SuppressionsAdded])
_RESULT = TypeAdapter(Envelope[BounceResult])
Item = TypeVar("Item")
ByReason = Mapping[SuppressionReason, Sequence[Item]]


class Suppressions:
    """Raises DependencyUnavailable while no e-mail worker answers."""

    def __init__(self, database: Database, worker: ServiceClient) -> None:
        self._database = database
        self._worker = worker

    async def page(self, question: SuppressionQuestion) -> SuppressionFindings:
        return found_of(_FINDINGS, *await self._worker.get(PATH, _parameters(question)))

    async def get(self, fingerprint: str) -> SuppressionEntry:
        """Raises SuppressionNotFound."""
        found = data_of(_ENTRY, *await self._worker.get(f"{PATH}/{fingerprint}"))
        if found is None:
            raise SuppressionNotFound
        return found

    async def add(self, new: NewSuppressions, actor: Actor) -> SuppressionsAdded:
        """Adding an address again changes nothing."""
        added = found_of(_ADDED, *await self._worker.post(PATH, new.model_dump_json().encode()))
        await self._note(actor, "suppressions.added", {"reason": new.reason, "added": added.added})
        return added

    async def import_all(self, by_reason: ByReason[str], exported: ByReason[ExportedAddress], actor: Actor) -> int:
        """Returns how many were not on the list. Audits what was added, also if the worker fails half-way."""
        added, asked = 0, 0
        try:
            for new in _bodies(by_reason, exported):
                added += found_of(_ADDED, *await self._worker.post(PATH, new.model_dump_json().encode())).added
                asked += len(new.emails) + len(new.exported)
        finally:
            if asked:
                await self._note(actor, "suppressions.imported", {"rows": asked, "added": added})
        return added

    async def export(
        self, reason: SuppressionReason | None, actor: Actor
    ) -> AsyncIterator[tuple[SuppressionEntry, ...]]:
        """The whole list in pages, by fingerprint. Audited as soon as the first page is there. The pages raise
        DependencyUnavailable, too.
        """
        question = SuppressionExportQuestion(reason=reason, limit=MAX_EXPORTED)
        first = await self._exported(question)
        await self._note(actor, "suppressions.exported", {"reason": reason})
        return self._pages(question, first)

    async def _pages(
        self, question: SuppressionExportQuestion, page: tuple[SuppressionEntry, ...]
    ) -> AsyncIterator[tuple[SuppressionEntry, ...]]:
        yield page
        while len(page) == question.limit:
            question = question.model_copy(update={"after": page[-1].fingerprint})
            page = await self._exported(question)
            yield page

    async def _exported(self, question: SuppressionExportQuestion) -> tuple[SuppressionEntry, ...]:
        return found_of(_EXPORTED, *await self._worker.get(EXPORT, _parameters(question))).entries

    async def remove(self, fingerprint: str, actor: Actor) -> None:
        """Raises SuppressionNotFound."""
        status, _ = await self._worker.delete(f"{PATH}/{fingerprint}")
        if status == 404:
            raise SuppressionNotFound
        if status != 200:
            raise DependencyUnavailable(f"a removal was answered {status}")
        await self._note(actor, "suppressions.removed", {"fingerprint": fingerprint})

    async def report_bounce(self, mail: bytes) -> BounceResult:
        """Raises PayloadTooLarge."""
        status, body = await self._worker.post(BOUNCES, mail)
        if status == 413:
            raise PayloadTooLarge
        return found_of(_RESULT, status, body)

    async def _note(self, actor: Actor, action: str, after: dict[str, object]) -> None:
        async with self._database.begin() as connection:
            await TRAIL.record(connection, actor, action, "suppressions", Change({}, after))


def _parameters(question: SuppressionQuestion | SuppressionExportQuestion) -> dict[str, str]:
    return {name: str(value) for name, value in question if value is not None}


def _bodies(by_reason: ByReason[str], exported: ByReason[ExportedAddress]) -> Iterator[NewSuppressions]:
    for reason, emails in by_reason.items():
        for some in _parts(emails):
            yield NewSuppressions(emails=some, reason=reason)
    for reason, addresses in exported.items():
        for many in _parts(addresses):
            yield NewSuppressions(exported=many, reason=reason)


def _parts(items: Sequence[Item]) -> Iterator[tuple[Item, ...]]:
    for start in range(0, len(items), MAX_SUPPRESSIONS):
        yield tuple(items[start : start + MAX_SUPPRESSIONS])
