"""Reads templates, for people and for other services."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.postgres.database import Database
from contracts.messages import TemplateRef
from contracts.templates import ActiveTemplate, TemplateInfo, TemplateQuestion
from template_service.errors import TemplateNotFound, VersionNotFound
from template_service.repositories import templates, versions
from template_service.repositories.records import (
    ActiveVersions,
    TemplateRecord,
    TemplateView,
    VersionRecord,
    VersionSummary,
)
from template_service.repositories.templates import Filter
from template_service.services.views import closest_language, info_of, load, outline_of, view

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class FoundPage(Generic[Item]):
    """One page, and the `total` number of items."""

    items: list[Item]
    total: int


@dataclass(frozen=True, slots=True)
class Findings:
    """`contracts.templates.TemplateFindings`, as models."""

    active: dict[str, ActiveTemplate]
    outlines: dict[str, TemplateInfo]
    whole: dict[str, TemplateInfo]


class TemplateReader:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, code: str, *, language: str | None = None, version: int | None = None) -> TemplateView:
        """The template in the closest existing language, in the active version unless another is given.

        Raises TemplateNotFound, VersionNotFound.
        """
        async with self._database.begin() as connection:
            template = await load(connection, code)
            closest = closest_language(template, language)
            return await view(connection, template, closest, version or template.active[closest])

    async def page(self, wanted: Filter, *, limit: int, offset: int) -> FoundPage[TemplateRecord]:
        async with self._database.begin() as connection:
            items = await templates.page(connection, wanted, limit=limit, offset=offset)
            return FoundPage(items, await templates.count(connection, wanted))

    async def history(
        self, code: str, language: str | None, *, limit: int, offset: int
    ) -> tuple[TemplateRecord, FoundPage[VersionSummary]]:
        """Every version of a language, newest first. Raises TemplateNotFound."""
        async with self._database.begin() as connection:
            template = await load(connection, code)
            closest = closest_language(template, language)
            items = await versions.page(connection, template.id, closest, limit=limit, offset=offset)
            return template, FoundPage(items, await versions.count(connection, template.id, closest))

    async def exact(self, ref: TemplateRef) -> TemplateInfo:
        """Exactly that version, also if it is archived: messages under way refer to it. Raises VersionNotFound."""
        found = (await self.findings(TemplateQuestion(whole=(ref,)))).whole
        if not found:
            raise VersionNotFound
        return found[str(ref)]

    async def records(self, *refs: TemplateRef) -> list[VersionRecord]:
        """Exactly these versions. Raises VersionNotFound."""
        async with self._database.begin() as connection:
            named = await versions.find_named(connection, set(refs))
        if not named.keys() >= set(refs):
            raise VersionNotFound
        return [named[ref] for ref in refs]

    async def active(self, code: str) -> ActiveTemplate:
        """The active version of each language, without the parts. Raises TemplateNotFound."""
        found = (await self.findings(TemplateQuestion(active=(code,)))).active
        if not found:
            raise TemplateNotFound
        return found[code]

    async def findings(self, question: TemplateQuestion) -> Findings:
        """The requested templates that exist, with at most two statements for any number of requests."""
        refs = {*question.outlines, *question.whole}
        async with self._database.begin() as connection:
            active = await versions.find_active(connection, question.active) if question.active else {}
            named = await versions.find_named(connection, refs) if refs else {}
        return Findings(
            active={code: _active(code, found) for code, found in active.items()},
            outlines={str(ref): outline_of(ref.code, named[ref].summary) for ref in question.outlines if ref in named},
            whole={str(ref): info_of(ref.code, named[ref]) for ref in question.whole if ref in named},
        )


def _active(code: str, found: ActiveVersions) -> ActiveTemplate:
    outlines = {summary.language: outline_of(code, summary) for summary in found.versions}
    return ActiveTemplate(code=code, default_language=found.default_language, languages=outlines)
