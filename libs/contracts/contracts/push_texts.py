"""Texts of pushes: the template service renders them for the gateway, where only that tells how large they are."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field, TypeAdapter

from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from chassis.json_values import JsonObject, to_json
from contracts.messages import TemplateRef
from contracts.recipients import Contract

MAX_TEXTS = 25


class PushTextPayload(Contract):
    template: TemplateRef
    variables: dict[str, Any]


class PushTextQuestion(Contract):
    """Body of the template service's `POST /internal/templates/push-texts`."""

    payloads: tuple[PushTextPayload, ...] = Field(max_length=MAX_TEXTS)


class RenderedText(Contract):
    """What `contracts.push_payloads.PushText` says."""

    title: str
    body: str
    image: str
    link: str


class PushTextFindings(Contract):
    """The response: the texts of the first payloads, as many as there was time for. None: it cannot be rendered."""

    texts: tuple[RenderedText | None, ...]


_FINDINGS = TypeAdapter(Envelope[PushTextFindings])


async def render_push_texts(
    templates: ServiceClient, payloads: Sequence[tuple[TemplateRef, JsonObject]]
) -> tuple[RenderedText | None, ...]:
    """The variables go as the text that came. Raises DependencyUnavailable."""
    body = to_json({"payloads": [{"template": ref, "variables": variables} for ref, variables in payloads]})
    return found_of(_FINDINGS, *await templates.post("/internal/templates/push-texts", body)).texts
