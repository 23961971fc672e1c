"""Renders the texts of pushes for the gateway, which measures them before it accepts."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress

from chassis.process.fair_semaphore import FairSemaphore
from contracts.messages import TemplateRef
from contracts.push_texts import PushTextFindings, PushTextPayload, PushTextQuestion, RenderedText
from template_service.errors import InvalidTemplate, VersionNotFound
from template_service.services.compiling import compiled_source
from template_service.services.reading import TemplateReader
from templating import CompiledTemplate, TemplateError

SECONDS = 1.0  # for an answer: whoever sends the notification waits for it
TURN = "push texts"  # they share one turn among the callers that compile and render
MAX_TEMPLATES = 100


class PushTexts:
    """Compiled versions are kept: a version never changes."""

    def __init__(self, reader: TemplateReader, turns: FairSemaphore) -> None:
        self._reader = reader
        self._turns = turns
        self._compiled: OrderedDict[TemplateRef, CompiledTemplate | None] = OrderedDict()

    async def render(self, question: PushTextQuestion) -> PushTextFindings:
        """Raises TooManyRequests."""
        until = time.monotonic() + SECONDS
        texts: list[RenderedText | None] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS), self._turns.turn(TURN):
                templates = {one.template: await self._template(one.template) for one in question.payloads}
                texts = await asyncio.to_thread(_texts, templates, question.payloads, until)
        return PushTextFindings(texts=tuple(texts))

    async def _template(self, ref: TemplateRef) -> CompiledTemplate | None:
        if ref in self._compiled:
            self._compiled.move_to_end(ref)
            return self._compiled[ref]
        try:
            [record] = await self._reader.records(ref)
            template = await compiled_source(record.source)
        except VersionNotFound:
            return None
        except InvalidTemplate:  # a rule is newer than the version
            template = None
        self._compiled[ref] = template
        if len(self._compiled) > MAX_TEMPLATES:
            self._compiled.popitem(last=False)
        return template


def _texts(
    templates: Mapping[TemplateRef, CompiledTemplate | None], payloads: Iterable[PushTextPayload], until: float
) -> list[RenderedText | None]:
    texts: list[RenderedText | None] = []
    for payload in payloads:
        texts.append(_text(templates[payload.template], payload))
        if time.monotonic() > until - SECONDS / 2:  # the heaviest one takes a third of a second
            break
    return texts


def _text(template: CompiledTemplate | None, payload: PushTextPayload) -> RenderedText | None:
    if template is None:
        return None
    try:
        push = template.render_push(payload.variables)
    except TemplateError:
        return None
    return RenderedText(title=push.title, body=push.body, image=push.image, link=push.link)
