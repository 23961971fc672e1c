"""Versions, which are written once and never changed, and which version of a language is active."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.security import Sender
from contracts.messages import TemplateRef
from contracts.recipients import Channel
from contracts.templates import PushTextSize
from template_service.authoring.mjml import is_mjml
from template_service.drafts import NO_SENDER
from template_service.models import Template, TemplateLanguage, TemplateVersion
from template_service.repositories.records import (
    ActiveVersions,
    Authored,
    IncompleteVersion,
    NewVersion,
    VersionRecord,
    VersionSummary,
)
from templating import TemplateSource

SERVES_PUSH = or_(
    TemplateVersion.serves_push, and_(TemplateVersion.serves_email, func.cardinality(TemplateVersion.channels) == 0)
)
"""A version that serves e-mail also serves push, unless its author chose otherwise. Versions saved by releases before this
rule do not record it: workers of those releases could not send them as push."""

IS_ACTIVE = and_(
    TemplateLanguage.template_id == TemplateVersion.template_id,
    TemplateLanguage.language == TemplateVersion.language,
    TemplateLanguage.active_version == TemplateVersion.version,
)

_SUMMARY = (
    TemplateVersion.language,
    TemplateVersion.version,
    TemplateVersion.required,
    TemplateVersion.required_by_channel,
    TemplateVersion.serves_email,
    SERVES_PUSH,
    TemplateVersion.created_at,
    TemplateVersion.channels,
    TemplateVersion.purpose,
    TemplateVersion.push_size,
)
_PARTS = (
    TemplateVersion.subject,
    TemplateVersion.html,
    TemplateVersion.text,
    TemplateVersion.title,
    TemplateVersion.body,
    TemplateVersion.image,
    TemplateVersion.link,
    TemplateVersion.link_schemes,
)
_AUTHORED = (
    TemplateVersion.content,
    TemplateVersion.preheader,
    TemplateVersion.inline_css,
    TemplateVersion.warnings,
    TemplateVersion.sender,
    TemplateVersion.written,
    TemplateVersion.snippets,
    TemplateVersion.content_format,
)

_INCOMPLETE = or_(TemplateVersion.required_by_channel == {}, TemplateVersion.push_size == {})


async def add(
    connection: AsyncConnection, template: int, language: str, new: NewVersion, *, activate: bool = True
) -> int:
    """Stores the next version of that language, makes it the active one if `activate`, and returns its number. A language's
    first version is always active.

    The number is counted up in the language's row, whose lock keeps two writers from taking the same one.
    """
    counted = (
        insert(TemplateLanguage)
        .values(template_id=template, language=language, latest_version=1, active_version=1)
        .on_conflict_do_update(
            index_elements=[TemplateLanguage.template_id, TemplateLanguage.language],
            set_={
                "latest_version": TemplateLanguage.latest_version + 1,
                **({"active_version": TemplateLanguage.latest_version + 1} if activate else {}),
            },
        )
        .returning(TemplateLanguage.latest_version)
    )
    number = (await connection.execute(counted)).scalar_one()
    authored = new.authored
    await connection.execute(
        insert(TemplateVersion).values(
            template_id=template,
            language=language,
            version=number,
            channels=list(new.channels),
            purpose=new.purpose,
            required=list(new.required),
            required_by_channel=new.required_by_channel,
            serves_email=new.serves_email,
            serves_push=new.serves_push,
            push_size=new.push_size.as_json,
            content=None if authored.content == new.source.html else authored.content,
            preheader=authored.preheader,
            inline_css=authored.inline_css,
            warnings=list(authored.warnings),
            sender=asdict(authored.sender) if authored.sender != NO_SENDER else None,
            written=authored.parts,
            snippets=authored.snippets,
            content_format=authored.content_format,
            **asdict(new.source),
        )
    )
    return number


async def activate(connection: AsyncConnection, template: int, language: str, version: int) -> None:
    language_row = (TemplateLanguage.template_id == template, TemplateLanguage.language == language)
    await connection.execute(update(TemplateLanguage).where(*language_row).values(active_version=version))


async def find(connection: AsyncConnection, template: int, language: str, version: int) -> VersionRecord | None:
    statement = select(*_SUMMARY, *_PARTS, *_AUTHORED).where(
        TemplateVersion.template_id == template, _is(language, version)
    )
    row = (await connection.execute(statement)).one_or_none()
    return _record(row) if row is not None else None


async def find_named(connection: AsyncConnection, refs: Collection[TemplateRef]) -> dict[TemplateRef, VersionRecord]:
    """Exactly these versions, even if a newer version is active or the template is archived."""
    name = tuple_(Template.code, TemplateVersion.language, TemplateVersion.version)
    statement = (
        select(*_SUMMARY, *_PARTS, *_AUTHORED, Template.code)
        .join(Template, Template.id == TemplateVersion.template_id)
        .where(name.in_([(ref.code, ref.language, ref.version) for ref in refs]))
    )
    found = [(row.code, _record(row[:-1])) for row in await connection.execute(statement)]
    return {
        TemplateRef(code=code, language=record.summary.language, version=record.summary.version): record
        for code, record in found
    }


async def find_active(connection: AsyncConnection, codes: Collection[str]) -> dict[str, ActiveVersions]:
    """The active version of each language of these templates. Templates that are not in use are left out."""
    statement = (
        select(*_SUMMARY, Template.code, Template.default_language)
        .select_from(TemplateLanguage)
        .join(Template, Template.id == TemplateLanguage.template_id)
        .join(TemplateVersion, IS_ACTIVE)
        .where(Template.code.in_(codes), Template.archived_at.is_(None))
    )
    found: dict[str, ActiveVersions] = {}
    for row in await connection.execute(statement):
        found.setdefault(row.code, ActiveVersions(row.default_language, [])).versions.append(_summary(row))
    return found


async def page(
    connection: AsyncConnection, template: int, language: str, *, limit: int, offset: int
) -> list[VersionSummary]:
    """Versions of a language, the newest first."""
    statement = _summaries(template).where(TemplateVersion.language == language)
    ordered = statement.order_by(TemplateVersion.version.desc()).limit(limit).offset(offset)
    return [_summary(row) for row in await connection.execute(ordered)]


async def count(connection: AsyncConnection, template: int, language: str) -> int:
    statement = select(func.count()).select_from(TemplateVersion)
    of_language = (TemplateVersion.template_id == template, TemplateVersion.language == language)
    return (await connection.execute(statement.where(*of_language))).scalar_one()


async def incomplete(connection: AsyncConnection, *, limit: int) -> list[IncompleteVersion]:
    keys = (TemplateVersion.template_id, TemplateVersion.language, TemplateVersion.version)
    columns = (*keys, TemplateVersion.required, TemplateVersion.channels, *_PARTS)
    statement: Select[*tuple[Any, ...]] = select(*columns).where(_INCOMPLETE).limit(limit)
    return [
        IncompleteVersion(template, language, version, tuple(required), tuple(channels), _source(parts))
        for template, language, version, required, channels, *parts in await connection.execute(statement)
    ]


async def complete(
    connection: AsyncConnection,
    version: IncompleteVersion,
    required: Mapping[Channel, tuple[str, ...]],
    push_size: PushTextSize,
) -> None:
    row = (TemplateVersion.template_id == version.template_id, _is(version.language, version.version))
    found = {"required_by_channel": dict(required), "push_size": push_size.as_json}
    await connection.execute(update(TemplateVersion).where(*row).values(**found))


def _summaries(template: int) -> Select[*tuple[Any, ...]]:
    return select(*_SUMMARY).where(TemplateVersion.template_id == template)


def _is(language: str, version: int) -> ColumnElement[bool]:
    return and_(TemplateVersion.language == language, TemplateVersion.version == version)


def _record(row: Sequence[Any]) -> VersionRecord:
    after_parts = len(_SUMMARY) + len(_PARTS)
    source = _source(row[len(_SUMMARY) : after_parts])
    return VersionRecord(_summary(row), source, _authored(source, row[after_parts:]))


def _authored(source: TemplateSource, columns: Sequence[Any]) -> Authored:
    content, preheader, inline_css, warnings, sender, written, snippets, content_format = columns
    if content is None:
        content = source.html
    if content_format is None:
        content_format = "mjml" if is_mjml(content) else "html"
    sent_as = Sender(**sender or {})
    return Authored(content, preheader, inline_css, tuple(warnings), sent_as, written, snippets, content_format)


def _source(parts: Sequence[Any]) -> TemplateSource:
    source = TemplateSource(*parts)
    return replace(source, link_schemes=tuple(source.link_schemes))


def _summary(row: Sequence[Any]) -> VersionSummary:
    language, version, required, by_channel, serves_email, serves_push, created_at, channels, purpose, push_size = row[
        : len(_SUMMARY)
    ]
    return VersionSummary(
        language,
        version,
        tuple(required),
        {channel: tuple(names) for channel, names in by_channel.items()},
        serves_email,
        serves_push,
        created_at,
        tuple(channels),
        purpose,
        PushTextSize.model_validate(push_size) if push_size else None,
    )
