"""A template as a reader sees it: one language, one version."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.languages import choose_language
from template_service.errors import LanguageNotFound, TemplateNotFound, VersionNotFound
from template_service.repositories import templates, versions
from template_service.repositories.records import TemplateRecord, VersionRecord
from template_service.services.drafts import Draft


@dataclass(frozen=True, slots=True)
class TemplateView:
    template: TemplateRecord
    version: VersionRecord

    @property
    def draft(self) -> Draft:
        """The version as it was saved."""
        return Draft(self.version.source, self.version.summary.channels)


async def load(connection: AsyncConnection, code: str) -> TemplateRecord:
    """Raises TemplateNotFound for an archived one too."""
    return found(await templates.find(connection, code))


async def load_for_change(connection: AsyncConnection, code: str) -> TemplateRecord:
    """As `load`; other writers of this template wait until the transaction ends."""
    return found(await templates.find_for_change(connection, code))


def found(template: TemplateRecord | None) -> TemplateRecord:
    if template is None or template.archived_at:
        raise TemplateNotFound
    return template


async def view(connection: AsyncConnection, template: TemplateRecord, language: str, version: int) -> TemplateView:
    """Raises VersionNotFound."""
    record = await versions.find(connection, template.id, language, version)
    if record is None:
        raise VersionNotFound
    return TemplateView(template, record)


def closest_language(template: TemplateRecord, requested: str | None) -> str:
    return choose_language(template.active, requested, template.default_language)


def language_in_use(template: TemplateRecord, requested: str | None) -> str:
    """That very language, or the default one when none is requested. Raises LanguageNotFound."""
    language = requested or template.default_language
    if language not in template.active:
        raise LanguageNotFound
    return language
