"""Snippets, their versions, and the templates that contain them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, cast, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from template_service.authoring.snippets import Library, Snippet
from template_service.models import SnippetRow, SnippetVersion, Template, TemplateLanguage, TemplateVersion
from template_service.repositories.versions import IS_ACTIVE

_CONTENT: ColumnElement[str] = SnippetVersion.__table__.c.content
_LEFT_OUT = literal("")


@dataclass(frozen=True, slots=True)
class SnippetRecord:
    """A snippet in one version. `description` and `latest_version` are the snippet's. Lists have no `content`."""

    id: int
    name: str
    description: str
    latest_version: int
    created_at: datetime
    archived_at: datetime | None
    version: int
    content: str
    version_created_at: datetime


@dataclass(frozen=True, slots=True)
class SnippetUse:
    """An active version of a template, and the version of the snippet that is in it."""

    code: str
    language: str
    version: int
    snippet_version: int
    outdated: bool


async def find(connection: AsyncConnection, name: str, version: int | None = None) -> SnippetRecord | None:
    """In the latest version unless another is given; archived or not."""
    wanted = SnippetVersion.version == (SnippetRow.latest_version if version is None else version)
    row = (await connection.execute(_records().where(SnippetRow.name == name, wanted))).one_or_none()
    return SnippetRecord(*row) if row else None


async def find_for_change(connection: AsyncConnection, name: str) -> SnippetRecord | None:
    """Like `find`, but locks the row: no other transaction changes the snippet until this one ends."""
    await connection.execute(select(SnippetRow.id).where(SnippetRow.name == name).with_for_update())
    return await find(connection, name)


async def library(connection: AsyncConnection, names: Collection[str]) -> Library:
    """The latest versions of those that exist and are not archived."""
    latest = and_(SnippetVersion.snippet_id == SnippetRow.id, SnippetVersion.version == SnippetRow.latest_version)
    statement = (
        select(SnippetRow.name, SnippetVersion.version, SnippetVersion.content)
        .join(SnippetVersion, latest)
        .where(SnippetRow.name.in_(names), SnippetRow.archived_at.is_(None))
    )
    return {row.name: Snippet(*row) for row in await connection.execute(statement)}


async def add(connection: AsyncConnection, name: str, description: str, content: str) -> None:
    """The next version of that snippet, which exists and is not archived afterwards."""
    values = {"description": description, "archived_at": None, "updated_at": func.now()}
    counted = (
        insert(SnippetRow)
        .values(name=name, latest_version=1, description=description)
        .on_conflict_do_update(
            index_elements=[SnippetRow.name], set_={**values, "latest_version": SnippetRow.latest_version + 1}
        )
        .returning(SnippetRow.id, SnippetRow.latest_version)
    )
    snippet, version = (await connection.execute(counted)).one()
    await connection.execute(insert(SnippetVersion).values(snippet_id=snippet, version=version, content=content))


async def describe(connection: AsyncConnection, snippet: int, description: str) -> None:
    statement = update(SnippetRow).where(SnippetRow.id == snippet)
    await connection.execute(statement.values(description=description, updated_at=func.now()))


async def archive(connection: AsyncConnection, snippet: int) -> None:
    await connection.execute(update(SnippetRow).where(SnippetRow.id == snippet).values(archived_at=func.now()))


async def page(connection: AsyncConnection, search: str | None, *, limit: int, offset: int) -> list[SnippetRecord]:
    """In the order of their names, without archived ones, in their latest versions."""
    latest = SnippetVersion.version == SnippetRow.latest_version
    statement = _records(_LEFT_OUT).where(latest, *_shown(search)).order_by(SnippetRow.name).limit(limit).offset(offset)
    return [SnippetRecord(*row) for row in await connection.execute(statement)]


async def count(connection: AsyncConnection, search: str | None) -> int:
    statement = select(func.count()).select_from(SnippetRow).where(*_shown(search))
    return (await connection.execute(statement)).scalar_one()


async def versions(connection: AsyncConnection, snippet: int, *, limit: int, offset: int) -> list[SnippetRecord]:
    """Newest first."""
    statement = _records(_LEFT_OUT).where(SnippetRow.id == snippet).order_by(SnippetVersion.version.desc())
    return [SnippetRecord(*row) for row in await connection.execute(statement.limit(limit).offset(offset))]


async def uses(connection: AsyncConnection, snippet: SnippetRecord, *, limit: int, offset: int) -> list[SnippetUse]:
    """The active versions of templates that contain the snippet: outdated ones first."""
    used = cast(TemplateVersion.snippets[snippet.name].astext, Integer)
    statement = (
        select(Template.code, TemplateVersion.language, TemplateVersion.version, used.label("used"))
        .select_from(TemplateLanguage)
        .join(TemplateVersion, IS_ACTIVE)
        .join(Template, Template.id == TemplateLanguage.template_id)
        .where(TemplateVersion.snippets.has_key(snippet.name))
        .order_by(used >= snippet.latest_version, Template.code, TemplateVersion.language)
    )
    return [
        SnippetUse(code, language, version, number, outdated=number < snippet.latest_version)
        for code, language, version, number in await connection.execute(statement.limit(limit).offset(offset))
    ]


async def count_uses(connection: AsyncConnection, name: str) -> int:
    statement = select(func.count()).select_from(TemplateLanguage).join(TemplateVersion, IS_ACTIVE)
    return (await connection.execute(statement.where(TemplateVersion.snippets.has_key(name)))).scalar_one()


def _records(content: ColumnElement[str] = _CONTENT) -> Select[*tuple[Any, ...]]:
    return select(
        SnippetRow.id,
        SnippetRow.name,
        SnippetRow.description,
        SnippetRow.latest_version,
        SnippetRow.created_at,
        SnippetRow.archived_at,
        SnippetVersion.version,
        content,
        SnippetVersion.created_at,
    ).join(SnippetVersion, SnippetVersion.snippet_id == SnippetRow.id)


def _shown(search: str | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [SnippetRow.archived_at.is_(None)]
    if search:
        searched = (SnippetRow.name, SnippetRow.description)
        conditions.append(or_(*(column.icontains(search, autoescape=True) for column in searched)))
    return conditions
