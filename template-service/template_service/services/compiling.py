"""Compiles and renders in threads, because a template at its limits takes a quarter of a second. Callers' requests wait for
their turn (`dependencies.renders`).
"""

import asyncio

from chassis.errors import field_error
from chassis.postgres.database import Database
from contracts.recipients import CHANNELS, Channel
from template_service.drafts import Channels, Draft
from template_service.errors import InvalidTemplate
from template_service.repositories import versions
from template_service.repositories.records import IncompleteVersion, NewVersion
from templating import CompiledTemplate, TemplateError, TemplateSource, check_links, compile_template


async def compiled(draft: Draft) -> CompiledTemplate:
    """Raises InvalidTemplate with the caller's name of the part, and the problem."""
    try:
        return await asyncio.to_thread(_compiled, draft.source)
    except TemplateError as error:
        raise InvalidTemplate(error, draft.names) from error


async def checked(draft: Draft) -> NewVersion:
    """The stored form of the draft. Raises InvalidTemplate, and a 422 about `channels` that have no parts."""
    template = await compiled(draft)
    served = channels_of(template, draft.channels)
    for channel in draft.channels:
        if channel not in served:
            raise field_error(draft.names["channels"], f"The template has no parts for {channel}")
    return NewVersion(
        draft.source,
        draft.channels,
        required=template.required(served),
        required_by_channel=required_by_channel(template, served),
        serves_email="email" in served,
        serves_push="push" in served,
    )


def required_by_channel(template: CompiledTemplate, served: Channels) -> dict[Channel, tuple[str, ...]]:
    return {channel: template.required([channel]) for channel in served}


def _compiled(source: TemplateSource) -> CompiledTemplate:
    check_links(source)
    return compile_template(source)


def channels_of(template: CompiledTemplate, chosen: Channels) -> tuple[Channel, ...]:
    """The channels that the parts serve, limited to the author's choice if there is one."""
    served: dict[Channel, bool] = {"email": template.serves_email, "push": template.serves_push}
    return tuple(channel for channel in CHANNELS if served[channel] and (not chosen or channel in chosen))


GROUP = 100


async def complete_versions(database: Database) -> int:
    """Determines each channel's variables, for at most `GROUP` versions. Returns the number of versions."""
    async with database.begin() as connection:
        found = await versions.incomplete(connection, limit=GROUP)
    for version in found:
        required = await _required(version)
        async with database.begin() as connection:
            await versions.complete(connection, version, required)
    return len(found)


async def _required(version: IncompleteVersion) -> dict[Channel, tuple[str, ...]]:
    try:
        template = await compiled(Draft(version.source, version.channels))
    except InvalidTemplate:  # the rule is newer than the version: the version's own requirements still count
        return dict.fromkeys(CHANNELS, version.required)
    return required_by_channel(template, channels_of(template, version.channels))
