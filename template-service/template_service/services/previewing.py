"""Renders previews. Nothing is sent and nothing is stored."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from chassis.errors import field_error
from contracts.recipients import Channel
from template_service.authoring.snippets import Library
from template_service.drafts import Draft, Preview
from template_service.errors import InvalidTemplate, VariablesMissing
from template_service.repositories.records import VersionRecord
from template_service.services.compiling import Compiled, channels_of, compiled, compiled_source
from templating import CompiledTemplate, MissingVariables, RenderedEmail, TemplateError

CLIPPED_BYTES = 102 * 1024  # of HTML, in UTF-8


async def preview_saved(version: VersionRecord, variables: dict[str, Any], channel: Channel | None = None) -> Preview:
    """Renders what deliveries of this version render. Raises like `preview`."""
    template = await compiled_source(version.source)
    ready = Compiled(template, version.source, version.authored.warnings)
    return await _preview(ready, Draft(version.source, version.summary.channels), variables, channel)


async def preview(draft: Draft, library: Library, variables: dict[str, Any], channel: Channel | None = None) -> Preview:
    """Renders each channel that is served, or only the requested one. `library` has the snippets that the draft names.
    Raises VariablesMissing with all names, InvalidTemplate.
    """
    return await _preview(await compiled(draft, library), draft, variables, channel)


async def _preview(ready: Compiled, draft: Draft, variables: dict[str, Any], channel: Channel | None) -> Preview:
    template = ready.template
    served = channels_of(template, draft.channels)
    if channel and channel not in served:
        raise field_error("channel", f"The template is not for {channel}")
    shown = {channel} if channel else set(served)
    if absent := template.missing(variables, shown):
        raise VariablesMissing(absent)
    try:
        shown_parts = await asyncio.to_thread(_render, template, variables, shown)
    except MissingVariables as error:  # found only while rendering, for example the keys of a loop's items
        raise VariablesMissing(error.names) from error
    except TemplateError as error:
        raise InvalidTemplate(error, draft.names) from error
    return replace(shown_parts, warnings=(*ready.warnings, *shown_parts.warnings))


def _render(template: CompiledTemplate, variables: dict[str, Any], shown: set[Channel]) -> Preview:
    email = template.render_email(variables) if "email" in shown else None
    push = template.render_push(variables) if "push" in shown else None
    return Preview(email, push, warnings=tuple(_warnings(email)))


def _warnings(email: RenderedEmail | None) -> Iterator[str]:
    size = len(email.html.encode()) if email is not None else 0
    if size > CLIPPED_BYTES:
        yield (
            f"The HTML has {size / 1024:.0f} kB: Gmail cuts a message off after {CLIPPED_BYTES // 1024} kB, and hides the "
            "rest behind a link"
        )
