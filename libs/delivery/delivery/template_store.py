"""Templates by reference, fetched in groups and compiled once, because a version never changes."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient
from chassis.process.batcher import Batcher
from chassis.process.single_flight import SingleFlight
from chassis.process.ttl_memory import TtlMemory
from chassis.security import Sender
from contracts.messages import TemplateRef
from contracts.templates import MAX_WHOLE_TEMPLATES, TemplateInfo, TemplateQuestion, find_templates
from templating import CompiledTemplate, TemplateSource, compile_template

MAX_TEMPLATES = 1_000
_Found = dict[str, Any] | None

LOADS_AT_ONCE = 4  # so that one slow request does not delay other templates


class StoredTemplate(NamedTuple):
    """`purpose`: users can unsubscribe from its e-mails; None: it is transactional. `sender`: that of its e-mails."""

    compiled: CompiledTemplate
    purpose: str | None
    sender: Sender | None = None


class TemplateGone(Exception):
    """The template service has no such version: the notification can never be rendered."""


class TemplateStore:
    """Raises TemplateGone, TemplateError (the template does not compile), or DependencyUnavailable."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service
        self._compiled: TtlMemory[TemplateRef, StoredTemplate] = TtlMemory(MAX_TEMPLATES, math.inf)
        self._fetches: SingleFlight[TemplateRef, StoredTemplate] = SingleFlight()
        self._loads: Batcher[TemplateRef, _Found] = Batcher(
            self._load, max_size=MAX_WHOLE_TEMPLATES, at_once=LOADS_AT_ONCE
        )

    async def get(self, ref: TemplateRef) -> StoredTemplate:
        if (found := self._compiled.get(ref, None)) is not None:
            return found
        return await self._fetches.run(ref, lambda: self._fetch(ref))  # a campaign's messages arrive together

    async def _fetch(self, ref: TemplateRef) -> StoredTemplate:
        # In a thread: a template at all limits takes 6 s to compile (`compile_template`).
        info = _info(await self._loads.submit(ref))
        stored = StoredTemplate(await asyncio.to_thread(compile_template, _source(info)), info.purpose, info.sender)
        self._compiled.put(ref, stored)
        return stored

    async def _load(self, refs: Sequence[TemplateRef]) -> list[_Found]:
        found = (await find_templates(self._service, TemplateQuestion(whole=tuple(refs)))).whole
        return [found.get(str(ref)) for ref in refs]


def _info(found: _Found) -> TemplateInfo:
    if found is None:
        raise TemplateGone
    try:
        return TemplateInfo.model_validate(found)
    except ValidationError as error:
        raise DependencyUnavailable("a look-up's answer was not understood") from error


def _source(info: TemplateInfo) -> TemplateSource:
    return TemplateSource(
        subject=info.subject,
        html=info.html,
        text=info.text,
        title=info.title,
        body=info.body,
        image=info.image,
        link=info.link,
        link_schemes=info.link_schemes,
    )
