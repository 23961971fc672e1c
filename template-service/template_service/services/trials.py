"""Trials: two versions of a template, rendered with variables that were sent."""

import asyncio
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from turbohtml import parse

from chassis.process.fair_semaphore import FairSemaphore
from contracts.recipients import Channel
from contracts.trials import (
    MAX_NAMED_LINKS,
    MAX_NAMED_VARIABLES,
    MAX_TEXT,
    TrialFindings,
    TrialPayload,
    TrialQuestion,
    TrialRendering,
    TrialResult,
)
from template_service.errors import FIELDS, InvalidTemplate
from template_service.repositories.records import VersionRecord
from template_service.services.compiling import channels_of, compiled_source
from template_service.services.in_time import in_time
from template_service.services.reading import TemplateReader
from templating import CompiledTemplate, MissingVariables, TemplateError

SECONDS = 2.0  # for an answer: the gateway waits for three, and asks again for what is left
TRIALS = "trials"  # all trials together count as one caller of those that compile and render
_WEB_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_ELEMENTS = frozenset({"a", "area"})


@dataclass(frozen=True, slots=True)
class _Version:
    """`problem`: it cannot be rendered at all."""

    template: CompiledTemplate | None
    channels: tuple[Channel, ...] = ()
    problem: str = ""


async def run_trial(question: TrialQuestion, reader: TemplateReader, turns: FairSemaphore) -> TrialFindings:
    """Raises VersionNotFound, TooManyRequests."""
    until = time.monotonic() + SECONDS
    before, after = await reader.records(question.before, question.after)
    results: list[TrialResult] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS), turns.turn(TRIALS):
            versions = await _version(before), await _version(after)
            results = await asyncio.to_thread(_results, *versions, question.payloads, until)
    return TrialFindings(results=tuple(results))


async def _version(record: VersionRecord) -> _Version:
    try:
        template = await compiled_source(record.source)
    except InvalidTemplate as error:  # a rule is newer than the version
        return _Version(None, problem=error.message)
    return _Version(template, channels_of(template, record.summary.channels))


def _results(before: _Version, after: _Version, payloads: Iterable[TrialPayload], until: float) -> list[TrialResult]:
    """`until`: when the answer is due. The heaviest result takes nearly a second."""
    return [_result(before, after, payload) for payload in in_time(payloads, until - SECONDS / 2)]


def _result(before: _Version, after: _Version, payload: TrialPayload) -> TrialResult:
    old, old_links = _rendering(before, payload)
    new, new_links = _rendering(after, payload)
    if old.error or new.error:  # nothing to compare
        return TrialResult(before=old, after=new)
    added = [link for link in new_links if link not in old_links]
    removed = [link for link in old_links if link not in new_links]
    return TrialResult(
        before=old,
        after=new,
        links_added=len(added),
        links_removed=len(removed),
        added=_named(added),
        removed=_named(removed),
    )


def _named(links: list[str]) -> tuple[str, ...]:
    return tuple(link[:MAX_TEXT] for link in links[:MAX_NAMED_LINKS])


def _rendering(version: _Version, payload: TrialPayload) -> tuple[TrialRendering, dict[str, None]]:
    """With the links in their order."""
    if version.template is None:
        return TrialRendering(error="invalid_template", message=version.problem), {}
    if payload.channel not in version.channels:
        message = f"This version is not for {payload.channel}"
        return TrialRendering(error="template_not_for_channel", message=message), {}
    try:
        subject, links = _rendered(version.template, payload)
    except MissingVariables as missing:
        names = tuple(name[:MAX_TEXT] for name in missing.names[:MAX_NAMED_VARIABLES])
        message = f"Variables are missing: {', '.join(names)}"
        return TrialRendering(error="missing_variables", message=message, missing=names), {}
    except TemplateError as error:
        message = f"{FIELDS.get(error.field, error.field)}: {error.message}"
        return TrialRendering(error=error.code, message=message), {}
    return TrialRendering(subject=subject[:MAX_TEXT], subject_length=len(subject)), links


def _rendered(template: CompiledTemplate, payload: TrialPayload) -> tuple[str, dict[str, None]]:
    if payload.channel == "push":
        push = template.render_push(payload.variables)
        return push.title, dict.fromkeys(filter(None, (push.link, push.image)))
    mail = template.render_email(payload.variables)
    return mail.subject, dict.fromkeys(_links(mail.html) if mail.html else _WEB_ADDRESS.findall(mail.text))


def _links(html: str) -> list[str]:
    found = (element.attr("href") for element in parse(html).find_all() if element.tag in _ELEMENTS)
    return [link.strip() for link in found if link and link.strip()]
