"""Compiles and renders in threads, because a template at all limits takes 6 s to compile (`compile_template`). Callers'
requests wait for their turn (`dependencies.renders`).
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from chassis.errors import field_error
from chassis.postgres.database import Database
from contracts.recipients import CHANNELS, Channel
from contracts.templates import PushTextSize
from template_service.authoring.inlining import CompiledHtml, inline
from template_service.authoring.mjml import compile_mjml, is_mjml
from template_service.authoring.preheader import with_preheader
from template_service.authoring.snippets import Library, expand
from template_service.drafts import Channels, Draft
from template_service.errors import InvalidTemplate
from template_service.repositories import versions
from template_service.repositories.records import Authored, ContentFormat, IncompleteVersion, NewVersion
from templating import CompiledTemplate, TemplateError, TemplateSource, check_links, compile_template, push_size
from templating.compiler import EMAIL_PARTS, PUSH_PARTS
from templating.parts import compile_plain

GROUP = 100  # versions in one turn of `complete_versions`
NO_BOUND = PushTextSize(bounded=False)
NOT_INLINED = "The style sheets are not inlined: their outputs would be too many, or unsafe, in style attributes"


@dataclass(frozen=True, slots=True)
class Compiled:
    """`to_render` is the source after compilation. `warnings` are texts about what the compilation left out. `snippets` are
    the versions of those that were put in.
    """

    template: CompiledTemplate
    to_render: TemplateSource
    warnings: tuple[str, ...] = ()
    snippets: dict[str, int] = field(default_factory=dict)
    content_format: ContentFormat = "html"


async def compiled(draft: Draft, library: Library) -> Compiled:
    """`library` has the snippets that the draft names. Raises InvalidTemplate with the caller's name of the part, and the
    problem.
    """
    try:
        return await asyncio.to_thread(_compiled, draft, library)
    except TemplateError as error:
        raise InvalidTemplate(error, draft.names) from error


async def compiled_source(source: TemplateSource) -> CompiledTemplate:
    """A stored version in the form that is rendered. Raises InvalidTemplate."""
    try:
        return await asyncio.to_thread(_checked_links, source)
    except TemplateError as error:
        raise InvalidTemplate(error, {}) from error


async def checked(draft: Draft, library: Library) -> NewVersion:
    """The stored form of the draft. Raises InvalidTemplate, and a 422 about `channels` that have no parts."""
    done = await compiled(draft, library)
    template = done.template
    served = channels_of(template, draft.channels)
    for channel in draft.channels:
        if channel not in served:
            raise field_error(draft.names["channels"], f"The template has no parts for {channel}")
    return NewVersion(
        done.to_render,
        Authored(
            draft.source.html,
            draft.preheader,
            draft.inline_css,
            done.warnings,
            draft.sender,
            parts={name: getattr(draft.source, name) for name in _changed(draft.source, done.to_render)},
            snippets=done.snippets,
            content_format=done.content_format,
        ),
        draft.channels,
        draft.purpose,
        required=template.required(served),
        required_by_channel=required_by_channel(template, served),
        serves_email="email" in served,
        serves_push="push" in served,
        push_size=push_size_of(template),
    )


def required_by_channel(template: CompiledTemplate, served: Channels) -> dict[Channel, tuple[str, ...]]:
    return {channel: template.required([channel]) for channel in served}


def push_size_of(template: CompiledTemplate) -> PushTextSize:
    size = push_size(template)
    return NO_BOUND if size is None else PushTextSize(literal=size.literal, values=dict(size.values))


def _changed(written: TemplateSource, rendered: TemplateSource) -> Iterator[str]:
    """The parts besides the content that are not rendered as they were written."""
    for name in EMAIL_PARTS + PUSH_PARTS:
        if name != "html" and getattr(written, name) != getattr(rendered, name):
            yield name


def _compiled(draft: Draft, library: Library) -> Compiled:
    parts: dict[str, Any] = {name: getattr(draft.source, name) for name in EMAIL_PARTS + PUSH_PARTS}
    parts["preheader"] = draft.preheader
    whole = expand(parts, library)
    if not whole.parts:
        return _without_snippets(draft)
    parts |= whole.parts
    preheader = parts.pop("preheader")
    try:
        done = _without_snippets(replace(draft, source=replace(draft.source, **parts), preheader=preheader))
    except TemplateError as error:
        error.message = f"with its snippets in place: {error.message}"
        raise
    return replace(done, snippets=whole.snippets)


def _without_snippets(draft: Draft) -> Compiled:
    written = draft.source.html
    try:
        done = _compiled_content(draft)
    except TemplateError as error:
        error.in_field("html")
        raise
    try:
        return _with_content(draft, done)
    except TemplateError:
        if done.html == written or is_mjml(written):
            raise
        # The error may be in the source itself; then the next call raises it again. Otherwise it is in the style attributes
        # that inlining made of the style sheet; then the HTML is kept as it was written.
        return _with_content(draft, CompiledHtml(written, (*done.warnings, NOT_INLINED)))


def _with_content(draft: Draft, content: CompiledHtml) -> Compiled:
    source = replace(draft.source, html=_with_preheader(content.html, draft.preheader))
    content_format: ContentFormat = "mjml" if is_mjml(draft.source.html) else "html"
    return Compiled(_checked_links(source), source, content.warnings, content_format=content_format)


def _compiled_content(draft: Draft) -> CompiledHtml:
    content = draft.source.html
    if is_mjml(content):
        compile_plain(content)  # errors of Liquid name the author's lines
        return compile_mjml(content)
    return inline(content) if draft.inline_css else CompiledHtml(content)


def _with_preheader(html: str, preheader: str) -> str:
    if not preheader:
        return html
    try:
        compile_plain(preheader)
        return with_preheader(html, preheader)
    except TemplateError as error:
        error.in_field("preheader")
        raise


def _checked_links(source: TemplateSource) -> CompiledTemplate:
    check_links(source)
    return compile_template(source)


def channels_of(template: CompiledTemplate, chosen: Channels) -> tuple[Channel, ...]:
    """The channels that the parts serve, limited to the author's choice if there is one."""
    served: dict[Channel, bool] = {"email": template.serves_email, "push": template.serves_push}
    return tuple(channel for channel in CHANNELS if served[channel] and (not chosen or channel in chosen))


async def complete_versions(database: Database) -> int:
    """Determines each channel's variables and the size of a push, for at most `GROUP` versions. Returns their number."""
    async with database.begin() as connection:
        found = await versions.incomplete(connection, limit=GROUP)
    for version in found:
        required, size = await _determined(version)
        async with database.begin() as connection:
            await versions.complete(connection, version, required, size)
    return len(found)


async def _determined(version: IncompleteVersion) -> tuple[dict[Channel, tuple[str, ...]], PushTextSize]:
    try:
        template = await compiled_source(version.source)
    except InvalidTemplate:  # the rule is newer than the version: the version's own requirements still count
        return dict.fromkeys(CHANNELS, version.required), NO_BOUND
    return required_by_channel(template, channels_of(template, version.channels)), push_size_of(template)
