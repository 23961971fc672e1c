"""Templates by name, fetched and compiled once: a version never changes."""

import asyncio
from collections import OrderedDict
from urllib.parse import quote

from pydantic import TypeAdapter

from chassis.envelope import Envelope
from chassis.http_client import ServiceClient, data_of
from contracts.lookups import TemplateInfo
from contracts.messages import TemplateRef
from templating import CompiledTemplate, TemplateSource, compile_template

MOST_TEMPLATES = 1_000
_ANSWER = TypeAdapter(Envelope[TemplateInfo])


class TemplateGone(Exception):
    """The template service knows no such version: it will never be rendered."""


class TemplateStore:
    """Raises TemplateGone, TemplateError (it does not compile), or DependencyUnavailable."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service
        self._compiled: OrderedDict[TemplateRef, CompiledTemplate] = OrderedDict()
        self._fetching: dict[TemplateRef, asyncio.Task[CompiledTemplate]] = {}

    async def get(self, ref: TemplateRef) -> CompiledTemplate:
        found = self._compiled.get(ref)
        if found is not None:
            self._compiled.move_to_end(ref)
            return found
        task = self._fetching.get(ref)
        if task is None:  # hundreds of messages of one campaign arrive together: they share one fetch
            task = self._fetching[ref] = asyncio.create_task(self._fetch(ref))
        return await asyncio.shield(task)

    async def _fetch(self, ref: TemplateRef) -> CompiledTemplate:
        try:
            # In a thread: a template that uses every limit takes a second and a half to compile.
            compiled = await asyncio.to_thread(compile_template, _source(await self._load(ref)))
            self._compiled[ref] = compiled
            if len(self._compiled) > MOST_TEMPLATES:
                self._compiled.popitem(last=False)
            return compiled
        finally:
            del self._fetching[ref]

    async def _load(self, ref: TemplateRef) -> TemplateInfo:
        status, body = await self._service.get(
            f"/internal/templates/{quote(ref.code, safe='')}",
            {"version": str(ref.version), "language": ref.language},
        )
        info = data_of(_ANSWER, status, body)
        if info is None:
            raise TemplateGone
        return info


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
