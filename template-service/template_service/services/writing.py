"""Changes templates. Every change of content is a new version; an existing version is never changed."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.audit import Actor, changed
from chassis.errors import field_error
from chassis.postgres.database import Database
from contracts.senders import check_domain
from template_service.drafts import Change, NewTemplate, revised
from template_service.errors import TemplateChanged, TemplateExists
from template_service.repositories import templates, versions
from template_service.repositories.audit import TRAIL, template_fields, template_target
from template_service.repositories.records import NewVersion, TemplateRecord, TemplateView
from template_service.services.compiling import checked
from template_service.services.snippets import library_of
from template_service.services.views import language_in_use, load, load_for_change, view

log = structlog.get_logger()


class TemplateWriter:
    """Locks the template's row, so that simultaneous changes of one template all succeed, one after another.

    Calls `forget(code)` after each commit, so that caches drop the template.
    """

    def __init__(
        self, database: Database, forget: Callable[[str], Awaitable[object]], *, sender_domains: Collection[str] = ()
    ) -> None:
        """`sender_domains`: the domains whose addresses templates may send from."""
        self._database = database
        self._forget = forget
        self._sender_domains = sender_domains

    async def create(self, new: NewTemplate, actor: Actor) -> TemplateView:
        """Creates a template, adds a language to one, or restores an archived one. Raises TemplateExists,
        InvalidTemplate, SenderDomainNotAllowed.
        """
        check_domain(new.sender.from_email, self._sender_domains)
        async with self._database.begin() as connection:
            library = await library_of(connection, new.draft)
        content = await checked(new.draft, library)
        async with self._database.begin() as connection:
            template = await _add_and_lock(connection, new)
            if new.language in template.active:
                raise TemplateExists
            if not template.active:  # it is new, or was archived: only what is given now counts
                await templates.describe(
                    connection, template.id, name=new.name, description=new.description, default_language=new.language
                )
            number = await versions.add(connection, template.id, new.language, content)
            await templates.touch(connection, template.id)
            saved = await view(connection, await load(connection, new.code), new.language, number)
            before = template_fields(template) if template.active else {}
            difference = changed(before, template_fields(saved.template))
            await TRAIL.record(connection, actor, "template.created", template_target(new.code), difference)
        return await self._announce("template.created", saved)

    async def change(self, code: str, change: Change, actor: Actor) -> TemplateView:
        """Makes a new version if the content differs from that of the active one, and activates it unless it is to be a
        draft. A changed name or description alone makes no version.

        Raises TemplateNotFound, LanguageNotFound, TemplateChanged, InvalidTemplate, SenderDomainNotAllowed.
        """
        if change.sender is not None:
            check_domain(change.sender.from_email, self._sender_domains)
        async with self._database.begin() as connection:
            template = await load_for_change(connection, code)
            language = language_in_use(template, change.language)
            number = await _add_if_different(connection, template, language, change)
            await _describe(connection, template, change)
            saved = await view(connection, await load(connection, code), language, number)
            difference = changed(template_fields(template), template_fields(saved.template))
            await TRAIL.record(connection, actor, "template.changed", template_target(code), difference)
        return await self._announce("template.changed", saved)

    async def refresh(self, code: str, language: str | None, actor: Actor) -> TemplateView:
        """Makes and activates a new version with the latest snippets, if the active one has older ones.

        Raises TemplateNotFound, LanguageNotFound, InvalidTemplate.
        """
        async with self._database.begin() as connection:
            template = await load_for_change(connection, code)
            language = language_in_use(template, language)
            number = await _add_if_outdated(connection, template, language)
            saved = await view(connection, await load(connection, code), language, number)
            difference = changed(template_fields(template), template_fields(saved.template))
            await TRAIL.record(connection, actor, "template.refreshed", template_target(code), difference)
        return await self._announce("template.refreshed", saved)

    async def activate(self, code: str, language: str | None, version: int, actor: Actor) -> TemplateView:
        """Rolls back or forward, or brings a language back into use. Raises TemplateNotFound, VersionNotFound."""
        async with self._database.begin() as connection:
            template = await load_for_change(connection, code)
            chosen = await view(connection, template, language or template.default_language, version)
            await versions.activate(connection, template.id, chosen.version.summary.language, version)
            await templates.touch(connection, template.id)
            saved = replace(chosen, template=await load(connection, code))
            difference = changed(template_fields(template), template_fields(saved.template))
            await TRAIL.record(connection, actor, "template.activated", template_target(code), difference)
        return await self._announce("template.activated", saved)

    async def archive(self, code: str, actor: Actor) -> None:
        """Readers no longer find the template. Messages that are under way still find their versions. Raises
        TemplateNotFound.
        """
        async with self._database.begin() as connection:
            template = await load_for_change(connection, code)
            await templates.archive(connection, template.id)
            difference = changed(template_fields(template), {})
            await TRAIL.record(connection, actor, "template.archived", template_target(code), difference)
        log.info("template.archived", template_code=code)
        await self._forget(code)

    async def _announce(self, event: str, saved: TemplateView) -> TemplateView:
        summary = saved.version.summary
        log.info(event, template_code=saved.template.code, language=summary.language, version=summary.version)
        await self._forget(saved.template.code)
        return saved


async def _add_and_lock(connection: AsyncConnection, new: NewTemplate) -> TemplateRecord:
    """The template with that code, created if it does not exist, and locked."""
    await templates.add_unless_there(connection, new.code, new.name, default_language=new.language)
    template = await templates.find_for_change(connection, new.code)
    if template is None:
        raise LookupError(new.code)  # templates are never deleted, so it exists
    return template


async def _add_if_different(
    connection: AsyncConnection, template: TemplateRecord, language: str, change: Change
) -> int:
    """The number of the version with this content: the active version, or a new one. Raises TemplateChanged."""
    active = await view(connection, template, language, template.active[language])
    draft = revised(active.draft, change, change.name or template.name)
    if draft == active.draft:
        return active.version.summary.version
    latest = template.latest[language]
    if change.latest_version not in {None, latest}:
        if change.activate or (await view(connection, template, language, latest)).draft != draft:
            raise TemplateChanged(latest)
        return latest  # the same draft again, such as after a lost answer
    new = await checked(draft, await library_of(connection, draft))
    return await _add(connection, template, language, new, activate=change.activate)


async def _add_if_outdated(connection: AsyncConnection, template: TemplateRecord, language: str) -> int:
    """The number of the version with the latest snippets: the active version, or a new one."""
    active = await view(connection, template, language, template.active[language])
    new = await checked(active.draft, await library_of(connection, active.draft))
    if new.authored.snippets == active.version.authored.snippets:
        return active.version.summary.version
    return await _add(connection, template, language, new)


async def _add(
    connection: AsyncConnection, template: TemplateRecord, language: str, new: NewVersion, *, activate: bool = True
) -> int:
    number = await versions.add(connection, template.id, language, new, activate=activate)
    await templates.touch(connection, template.id)
    return number


async def _describe(connection: AsyncConnection, template: TemplateRecord, change: Change) -> None:
    """Takes over the given fields that are not versioned."""
    if change.default_language and change.default_language not in template.active:
        raise field_error("default_language", "The template does not exist in this language")
    wanted = replace(
        template,
        name=change.name or template.name,
        description=template.description if change.description is None else change.description,
        default_language=change.default_language or template.default_language,
    )
    if wanted != template:
        await templates.describe(
            connection,
            template.id,
            name=wanted.name,
            description=wanted.description,
            default_language=wanted.default_language,
        )
