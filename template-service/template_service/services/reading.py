"""Reading templates, for people and for the other services."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.database import Database
from contracts.lookups import ActiveTemplate, TemplateInfo
from template_service.errors import VersionNotFound
from template_service.repositories import templates, versions
from template_service.repositories.records import TemplateRecord, VersionSummary
from template_service.repositories.templates import Filter
from template_service.services.infos import info_of, outline_of
from template_service.services.views import TemplateView, closest_language, load, view

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Slice:
    """`limit` items from `offset` on."""

    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some of `total` items."""

    items: list[Item]
    total: int


class TemplateReader:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, code: str, *, language: str | None = None, version: int | None = None) -> TemplateView:
        """In the closest language that there is; the active version unless another is named.

        Raises TemplateNotFound, VersionNotFound.
        """
        async with self._database.begin() as connection:
            template = await load(connection, code)
            closest = closest_language(template, language)
            return await view(connection, template, closest, version or template.active[closest])

    async def page(self, wanted: Filter, part: Slice) -> Page[TemplateRecord]:
        async with self._database.begin() as connection:
            items = await templates.page(connection, wanted, limit=part.limit, offset=part.offset)
            return Page(items, await templates.count(connection, wanted))

    async def history(
        self, code: str, language: str | None, part: Slice
    ) -> tuple[TemplateRecord, Page[VersionSummary]]:
        """Every version of a language, the newest first. Raises TemplateNotFound."""
        async with self._database.begin() as connection:
            template = await load(connection, code)
            closest = closest_language(template, language)
            items = await versions.page(connection, template.id, closest, limit=part.limit, offset=part.offset)
            return template, Page(items, await versions.count(connection, template.id, closest))

    async def exact(self, code: str, language: str, version: int) -> TemplateInfo:
        """That version, for ever: messages in flight name it. Raises VersionNotFound."""
        async with self._database.begin() as connection:
            record = await versions.find_by_code(connection, code, language, version)
        if record is None:
            raise VersionNotFound
        return info_of(code, record)

    async def active(self, code: str) -> ActiveTemplate:
        """What is active in each language, without the parts. Raises TemplateNotFound."""
        async with self._database.begin() as connection:
            template = await load(connection, code)
            summaries = await versions.summaries(connection, template.id, template.active)
        outlines = {summary.language: outline_of(code, summary) for summary in summaries}
        return ActiveTemplate(code=code, default_language=template.default_language, languages=outlines)
