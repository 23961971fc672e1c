"""Templates: finding, locking, and changing what is not versioned."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, ScalarSelect, Select, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.recipients import Channel
from template_service.models import Template, TemplateLanguage, TemplateVersion
from template_service.repositories.records import TemplateRecord
from template_service.repositories.versions import IS_ACTIVE, SERVES_PUSH


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of a list. `language` and `channel` select templates that are active in that language or channel."""

    search: str | None = None
    language: str | None = None
    channel: Channel | None = None


async def find(connection: AsyncConnection, code: str) -> TemplateRecord | None:
    """The template, archived or not."""
    result = await connection.execute(_templates().where(Template.code == code))
    row = result.mappings().one_or_none()
    return _record(row) if row else None


async def find_for_change(connection: AsyncConnection, code: str) -> TemplateRecord | None:
    """Like `find`, but locks the row: no other transaction changes the template until this one ends.

    It takes two statements: a `FOR UPDATE` that had to wait sees the new row of the locked table, but old rows of other
    tables.
    """
    await connection.execute(select(Template.id).where(Template.code == code).with_for_update())
    return await find(connection, code)


async def add_unless_there(connection: AsyncConnection, code: str, name: str, *, default_language: str) -> None:
    statement = insert(Template).values(code=code, name=name, default_language=default_language)
    await connection.execute(statement.on_conflict_do_nothing(index_elements=[Template.code]))


async def describe(
    connection: AsyncConnection, template: int, *, name: str, description: str, default_language: str
) -> None:
    """Sets the fields that are not versioned, and restores an archived template."""
    values = {"name": name, "description": description, "default_language": default_language}
    statement = update(Template).where(Template.id == template)
    await connection.execute(statement.values(**values, updated_at=func.now(), archived_at=None))


async def touch(connection: AsyncConnection, template: int) -> None:
    await connection.execute(update(Template).where(Template.id == template).values(updated_at=func.now()))


async def archive(connection: AsyncConnection, template: int) -> None:
    """Archives the template and deactivates its languages: a template created later under this code starts with its own."""
    statement = update(Template).where(Template.id == template)
    await connection.execute(statement.values(archived_at=func.now(), updated_at=func.now()))
    languages = update(TemplateLanguage).where(TemplateLanguage.template_id == template)
    await connection.execute(languages.values(active_version=None))


async def page(connection: AsyncConnection, wanted: Filter, *, limit: int, offset: int) -> list[TemplateRecord]:
    """Templates in the order of their codes, without archived ones."""
    statement = _templates().where(_shown(wanted)).order_by(Template.code).limit(limit).offset(offset)
    return [_record(row) for row in (await connection.execute(statement)).mappings()]


async def count(connection: AsyncConnection, wanted: Filter) -> int:
    return (await connection.execute(select(func.count()).select_from(Template).where(_shown(wanted)))).scalar_one()


_LATEST = (
    select(func.jsonb_object_agg(TemplateLanguage.language, TemplateLanguage.latest_version, type_=JSONB()))
    .where(TemplateLanguage.template_id == Template.id)
    .correlate(Template)
    .scalar_subquery()
)


def _templates() -> Select[*tuple[Any, ...]]:
    return select(
        Template.id,
        Template.code,
        Template.name,
        Template.description,
        Template.default_language,
        Template.created_at,
        Template.updated_at,
        Template.archived_at,
        _of_active(func.jsonb_object_agg(TemplateVersion.language, TemplateVersion.version, type_=JSONB())).label(
            "active"
        ),
        _of_active(func.bool_or(TemplateVersion.serves_email)).label("serves_email"),
        _of_active(func.bool_or(SERVES_PUSH)).label("serves_push"),
        _LATEST.label("latest"),
    )


def _of_active(aggregate: ColumnElement[Any]) -> ScalarSelect[Any]:
    """The aggregate over a template's active versions; NULL when it has none."""
    return _active_versions(select(aggregate)).scalar_subquery()


def _active_versions(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return (
        statement.select_from(TemplateLanguage)
        .join(TemplateVersion, IS_ACTIVE)
        .where(TemplateLanguage.template_id == Template.id)
        .correlate(Template)
    )


def _shown(wanted: Filter) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [Template.archived_at.is_(None)]
    if wanted.search:
        searched = (Template.code, Template.name, Template.description)
        conditions.append(or_(*(column.icontains(wanted.search, autoescape=True) for column in searched)))
    conditions.append(exists(_active_versions(select(1)).where(*_version_matches(wanted))))
    return and_(*conditions)


def _version_matches(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.language:
        yield TemplateVersion.language == wanted.language
    match wanted.channel:
        case "email":
            yield TemplateVersion.serves_email.is_(True)
        case "push":
            yield SERVES_PUSH


def _record(row: RowMapping) -> TemplateRecord:
    nothing_active = {"active": {}, "serves_email": False, "serves_push": False}
    return TemplateRecord(**{**row, **({} if row["active"] else nothing_active), "latest": row["latest"] or {}})
