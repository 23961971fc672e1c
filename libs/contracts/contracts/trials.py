"""Trials: two versions of a template are rendered with variables that were sent. The gateway has the variables, the template
service renders.
"""

from typing import Any

from pydantic import Field, TypeAdapter

from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from chassis.json_values import JsonObject, to_json
from contracts.messages import TemplateRef
from contracts.recipients import Channel, Contract

MAX_PAYLOADS = 25
MAX_PAYLOADS_BYTES = 500_000  # a body may have twice as many
MAX_NAMED_LINKS = 20
MAX_NAMED_VARIABLES = 50
MAX_TEXT = 500  # characters of a link or a subject


class TrialPayload(Contract):
    """What a notification was sent with."""

    channel: Channel
    variables: dict[str, Any]


class TrialQuestion(Contract):
    """Body of the template service's `POST /internal/templates/trials`."""

    before: TemplateRef
    after: TemplateRef
    payloads: tuple[TrialPayload, ...] = Field(max_length=MAX_PAYLOADS)


class TrialRendering(Contract):
    """One version with the variables of one notification. `error` None: it was rendered; `message` holds no values.

    `subject` is the beginning of the subject, or of the title of a push; `subject_length` is that of the whole one.
    `missing`: the first names of variables.
    """

    error: str | None = None
    message: str = ""
    missing: tuple[str, ...] = ()
    subject: str = ""
    subject_length: int = 0


class TrialResult(Contract):
    """The two renderings, and the links that only one of them has: their number, and the first ones."""

    before: TrialRendering
    after: TrialRendering
    links_added: int = 0
    links_removed: int = 0
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class TrialFindings(Contract):
    """The response: the results of the first payloads, as many as there was time for."""

    results: tuple[TrialResult, ...]


_FINDINGS = TypeAdapter(Envelope[TrialFindings])


async def try_version(
    templates: ServiceClient, before: TemplateRef, after: TemplateRef, payloads: list[tuple[Channel, JsonObject]]
) -> tuple[TrialResult, ...]:
    """The variables go as the text that came. Raises DependencyUnavailable."""
    body = to_json(
        {
            "before": before,
            "after": after,
            "payloads": [{"channel": channel, "variables": variables} for channel, variables in payloads],
        }
    )
    return found_of(_FINDINGS, *await templates.post("/internal/templates/trials", body)).results
