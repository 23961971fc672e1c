"""Finds pushes that no device of their recipient could take, before they are accepted."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from api_gateway.errors import PushTooLarge
from api_gateway.schemas.requests import NotificationRequest
from api_gateway.services.resolving import Resolution, Resolved
from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient
from chassis.json_values import written
from contracts.messages import TemplateRef
from contracts.overrides import Overrides
from contracts.push_payloads import max_bytes, measured
from contracts.push_texts import MAX_TEXTS, RenderedText, render_push_texts
from contracts.recipients import PushRecipient, PushToken

OWN_BYTES = 700  # of ids, names of fields and punctuation in a message, at most
MAX_GROUP_BYTES = 500_000  # of variables in a question; a body may have twice as many
SECONDS = 2.0  # for all questions about one request of a client


class _Push(NamedTuple):
    position: int
    request: NotificationRequest
    resolved: Resolved
    devices: tuple[PushToken, ...]

    @property
    def template(self) -> TemplateRef:
        info = self.resolved.template
        return TemplateRef(code=info.code, version=info.version, language=info.language)


@dataclass(frozen=True, slots=True)
class _Message:
    notification_id: UUID
    correlation_id: str
    overrides: Overrides | None


class PushSizes:
    """What the template says of itself (`PushTextSize`) and the sizes of the variables are enough for almost all pushes. The
    others are rendered by the template service, `templates`, and measured as a worker measures them. A push is taken if that
    is not possible now: a worker measures it, too.
    """

    def __init__(self, templates: ServiceClient) -> None:
        self._templates = templates

    async def too_large(
        self, requests: Sequence[NotificationRequest], found: Sequence[Resolution], correlation_id: str
    ) -> dict[int, PushTooLarge]:
        """The refusals by the index of their request."""
        pushes = [push for push in _pushes(requests, found) if _may_be_too_large(push)]
        refusals: dict[int, PushTooLarge] = {}
        if pushes:
            with suppress(TimeoutError, DependencyUnavailable):
                async with asyncio.timeout(SECONDS):
                    await self._measure(pushes, correlation_id, refusals)
        return refusals

    async def _measure(self, pushes: Sequence[_Push], correlation_id: str, refusals: dict[int, PushTooLarge]) -> None:
        rest = list(pushes)
        while rest:
            group = list(_group(rest))
            texts = await render_push_texts(self._templates, [(one.template, one.request.variables) for one in group])
            if not texts:  # the template service is busy, or the template is too heavy
                return
            for push, text in zip(group, texts, strict=False):
                if text is not None and (refusal := _refusal(push, text, correlation_id)):
                    refusals[push.position] = refusal
            rest = rest[len(texts) :]


def _pushes(requests: Sequence[NotificationRequest], found: Sequence[Resolution]) -> Iterator[_Push]:
    for index, (request, resolution) in enumerate(zip(requests, found, strict=True)):
        if isinstance(resolution, Resolved) and isinstance(resolution.recipient, PushRecipient):
            yield _Push(index, request, resolution, resolution.recipient.push_tokens)


def _group(pushes: Sequence[_Push]) -> Iterator[_Push]:
    """The next ones, as many as go into a question."""
    size = 0
    for index, push in enumerate(pushes[:MAX_TEXTS]):
        size += len(push.request.variables.text.encode())
        if index and size > MAX_GROUP_BYTES:
            return
        yield push


def _may_be_too_large(push: _Push) -> bool:
    """Whether the largest text that the template could make of these variables fits no device."""
    size = push.resolved.template.push_size
    if size is None:  # a template service of the previous release
        return False
    if not size.bounded:
        return True
    given = push.request.overrides
    overrides = 0 if given is None else 2 * len(orjson.dumps(given.as_json))
    texts = size.literal + sum(times * _bytes(push.request.variables, path) for path, times in size.values.items())
    return OWN_BYTES + overrides + texts > max(map(max_bytes, push.devices))


def _bytes(variables: Mapping[str, Any], path: str) -> int:
    """How large the value prints, at most, in JSON. A part of a list counts as the list."""
    value: Any = variables
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
    match value:
        case None:
            return 0
        case str():
            return len(orjson.dumps(value))
        case bool() | int() | float():
            return len(written(value)) + 2  # 1e22 prints as 1.0e22
        case _:
            return 4 * len(written(value).encode())  # quotes are escaped, and items get spaces


def _refusal(push: _Push, text: RenderedText, correlation_id: str) -> PushTooLarge | None:
    """None if a device can take it."""
    given = push.request.overrides and push.request.overrides.as_kept(datetime.now(UTC))
    overrides = None if given is None else Overrides.model_validate(given)
    if overrides is not None and overrides.push is not None and overrides.push.image:
        text = text.model_copy(update={"image": overrides.push.image})
    message = _Message(UUID(int=0), correlation_id, overrides)
    sizes = [(measured(text, device, message), max_bytes(device)) for device in push.devices]
    if any(size <= limit for size, limit in sizes):
        return None
    return PushTooLarge.of(*min(sizes, key=lambda one: one[0] - one[1]))
