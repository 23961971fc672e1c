"""Reads and changes snippets. A change is a new version, which templates get when they are saved next."""

import asyncio
from collections.abc import Iterable

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.audit import Actor, changed
from chassis.postgres.database import Database
from template_service.authoring.snippet_tags import snippets_named
from template_service.authoring.snippets import Library, Snippet, check_snippet
from template_service.drafts import Draft
from template_service.errors import InvalidSnippet, InvalidTemplate, SnippetExists, SnippetNotFound, VersionNotFound
from template_service.repositories import snippets
from template_service.repositories.audit import TRAIL, snippet_fields, snippet_target
from template_service.repositories.snippets import SnippetRecord, SnippetUse
from template_service.services.reading import FoundPage
from templating import TemplateError

log = structlog.get_logger()
MAX_SNIPPETS = 50  # in one template, also those that others name


async def library_for(connection: AsyncConnection, sources: Iterable[str]) -> Library:
    """The snippets that these sources name, directly or through snippets. Omits unknown ones. Raises InvalidTemplate."""
    found: dict[str, Snippet] = {}
    wanted = await asyncio.to_thread(_named, tuple(sources))
    while missing := wanted - found.keys():
        if len(wanted) > MAX_SNIPPETS:
            raise InvalidTemplate(TemplateError("template_limit", f"more than {MAX_SNIPPETS} snippets"), {})
        more = await snippets.library(connection, missing)
        if not more:
            break
        found |= more
        wanted = await asyncio.to_thread(_named, tuple(snippet.content for snippet in found.values()))
    return found


def _named(sources: tuple[str, ...]) -> frozenset[str]:
    """Reads only valid sources. Errors of other sources are found when they are compiled."""
    names: set[str] = set()
    for source in sources:
        try:
            names |= snippets_named(source)
        except TemplateError:
            continue
    return frozenset(names)


async def library_of(connection: AsyncConnection, draft: Draft) -> Library:
    return await library_for(connection, draft.sources)


class SnippetReader:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def library(self, draft: Draft) -> Library:
        async with self._database.begin() as connection:
            return await library_of(connection, draft)

    async def get(self, name: str, version: int | None = None) -> SnippetRecord:
        """Raises SnippetNotFound, VersionNotFound."""
        async with self._database.begin() as connection:
            latest = _in_use(await snippets.find(connection, name))
            found = latest if version is None else await snippets.find(connection, name, version)
        if found is None:
            raise VersionNotFound
        return found

    async def page(self, search: str | None, *, limit: int, offset: int) -> FoundPage[SnippetRecord]:
        async with self._database.begin() as connection:
            items = await snippets.page(connection, search, limit=limit, offset=offset)
            return FoundPage(items, await snippets.count(connection, search))

    async def history(self, name: str, *, limit: int, offset: int) -> FoundPage[SnippetRecord]:
        """Newest first. Raises SnippetNotFound."""
        async with self._database.begin() as connection:
            snippet = _in_use(await snippets.find(connection, name))
            items = await snippets.versions(connection, snippet.id, limit=limit, offset=offset)
            return FoundPage(items, snippet.latest_version)

    async def uses(self, name: str, *, limit: int, offset: int) -> FoundPage[SnippetUse]:
        """The templates that have it in them, outdated ones first. Raises SnippetNotFound."""
        async with self._database.begin() as connection:
            snippet = _in_use(await snippets.find(connection, name))
            items = await snippets.uses(connection, snippet, limit=limit, offset=offset)
            return FoundPage(items, await snippets.count_uses(connection, name))


class SnippetWriter:
    """No cache has snippets: versions of templates are complete without them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, description: str, content: str, actor: Actor) -> SnippetRecord:
        """Also brings an archived one back, with the next version. Raises SnippetExists, InvalidSnippet."""
        async with self._database.begin() as connection:
            before = await snippets.find_for_change(connection, name)
            if before is not None and before.archived_at is None:
                raise SnippetExists
            await _check(connection, Snippet(name, 0, content))
            await snippets.add(connection, name, description, content)
            return await _recorded(connection, "snippet.created", name, None, actor)

    async def change(self, name: str, description: str | None, content: str, actor: Actor) -> SnippetRecord:
        """Makes a version if the content differs. Raises SnippetNotFound, InvalidSnippet."""
        async with self._database.begin() as connection:
            before = _in_use(await snippets.find_for_change(connection, name))
            described = before.description if description is None else description
            if content != before.content:
                await _check(connection, Snippet(name, 0, content))
                await snippets.add(connection, name, described, content)
            elif described != before.description:
                await snippets.describe(connection, before.id, described)
            return await _recorded(connection, "snippet.changed", name, before, actor)

    async def archive(self, name: str, actor: Actor) -> None:
        """Templates can no longer be saved with it. Those that have it in them stay as they are. Raises SnippetNotFound."""
        async with self._database.begin() as connection:
            before = _in_use(await snippets.find_for_change(connection, name))
            await snippets.archive(connection, before.id)
            change = changed(snippet_fields(before), {})
            await TRAIL.record(connection, actor, "snippet.archived", snippet_target(name), change)
        log.info("snippet.archived", snippet=name)


def _in_use(found: SnippetRecord | None) -> SnippetRecord:
    if found is None or found.archived_at is not None:
        raise SnippetNotFound
    return found


async def _check(connection: AsyncConnection, snippet: Snippet) -> None:
    library = await library_for(connection, [snippet.content])
    try:
        await asyncio.to_thread(check_snippet, snippet, library)
    except TemplateError as error:
        raise InvalidSnippet(error) from error


async def _recorded(
    connection: AsyncConnection, event: str, name: str, before: SnippetRecord | None, actor: Actor
) -> SnippetRecord:
    saved = _in_use(await snippets.find(connection, name))
    change = changed(snippet_fields(before) if before is not None else {}, snippet_fields(saved))
    await TRAIL.record(connection, actor, event, snippet_target(name), change)
    log.info(event, snippet=name, version=saved.version)
    return saved
