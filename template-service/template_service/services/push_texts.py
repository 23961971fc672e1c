"""Renders the texts of pushes for the gateway, which measures them before it accepts."""

import asyncio
import math
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from chassis.process.fair_semaphore import FairSemaphore
from chassis.process.ttl_memory import TtlMemory
from contracts.messages import TemplateRef
from contracts.push_texts import PushTextFindings, PushTextPayload, PushTextQuestion, RenderedText
from template_service.errors import InvalidTemplate, VersionNotFound
from template_service.services.compiling import compiled_source
from template_service.services.in_time import in_time
from template_service.services.reading import TemplateReader
from templating import CompiledTemplate, TemplateError

SECONDS = 1.0  # for an answer: whoever sends the notification waits for it
TURN = "push texts"  # all of them together count as one caller of those that compile and render
MAX_TEMPLATES = 100


class PushTexts:
    """Compiled versions are kept: a version never changes."""

    def __init__(self, reader: TemplateReader, turns: FairSemaphore) -> None:
        self._reader = reader
        self._turns = turns
        self._compiled: TtlMemory[TemplateRef, CompiledTemplate | None] = TtlMemory(MAX_TEMPLATES, math.inf)

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
        if (known := self._compiled.get(ref, ...)) is not ...:
            return known
        try:
            [record] = await self._reader.records(ref)
            template = await compiled_source(record.source)
        except VersionNotFound:
            return None
        except InvalidTemplate:  # a rule is newer than the version
            template = None
        self._compiled.put(ref, template)
        return template


def _texts(
    templates: Mapping[TemplateRef, CompiledTemplate | None], payloads: Iterable[PushTextPayload], until: float
) -> list[RenderedText | None]:
    """`until`: when the answer is due. The heaviest text takes a third of a second."""
    return [_text(templates[payload.template], payload) for payload in in_time(payloads, until - SECONDS / 2)]


def _text(template: CompiledTemplate | None, payload: PushTextPayload) -> RenderedText | None:
    if template is None:
        return None
    try:
        push = template.render_push(payload.variables)
    except TemplateError:
        return None
    return RenderedText(title=push.title, body=push.body, image=push.image, link=push.link)
