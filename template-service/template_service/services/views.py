"""Converts stored templates and versions into the API's models and the other services' models."""

from dataclasses import asdict

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.fields import choose_language
from contracts.templates import TemplateInfo
from template_service.drafts import NO_SENDER
from template_service.errors import LanguageNotFound, TemplateNotFound, VersionNotFound
from template_service.repositories import templates, versions
from template_service.repositories.records import TemplateRecord, TemplateView, VersionRecord, VersionSummary


def outline_of(code: str, summary: VersionSummary) -> TemplateInfo:
    """Without the parts: everything that the gateway needs to know."""
    return TemplateInfo(
        code=code,
        version=summary.version,
        language=summary.language,
        required=summary.required,
        required_by_channel=summary.required_by_channel,
        serves_email=summary.serves_email,
        serves_push=summary.serves_push,
        push_size=summary.push_size,
        purpose=summary.purpose or None,
    )


def info_of(code: str, version: VersionRecord) -> TemplateInfo:
    """With the parts, for a worker to compile."""
    sender = version.authored.sender
    found = {**asdict(version.source), "sender": sender if sender != NO_SENDER else None}
    return outline_of(code, version.summary).model_copy(update=found)


async def load(connection: AsyncConnection, code: str) -> TemplateRecord:
    """Raises TemplateNotFound, also for an archived template."""
    return found(await templates.find(connection, code))


async def load_for_change(connection: AsyncConnection, code: str) -> TemplateRecord:
    """Like `load`. Other writers of this template wait until the transaction ends."""
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
    """The requested language, or the default one if none is requested. Raises LanguageNotFound."""
    language = requested or template.default_language
    if language not in template.active:
        raise LanguageNotFound
    return language
