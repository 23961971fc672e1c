"""Texts of pushes for the gateway, and what a version says about their size."""

import time
from typing import Any

import pytest

from contracts.push_texts import MAX_TEXTS, PushTextFindings, PushTextPayload, RenderedText
from template_service.services import push_texts
from templating import TemplateSource, compile_template

TEMPLATES = "/api/v1/templates"
PATH = "/internal/templates/push-texts"
PUSH = {
    "code": "push",
    "name": "Push",
    "title": "Hi {{ name }}",
    "body": "{% for i in (1..3) %}{{ name }}{% endfor %}",
    "link": "https://example.com/{{ name }}",
}


@pytest.fixture(autouse=True)
async def _created(admin) -> None:
    saved = await admin.post(TEMPLATES, json=PUSH)
    assert saved.status_code == 201, saved.text


def payload(name: object = "Ada", **changes: object) -> dict[str, Any]:
    ref = {"code": "push", "language": "en", "version": 1, **changes}
    return {"template": ref, "variables": {} if name is None else {"name": name}}


async def _texts(service, *payloads: dict[str, Any]) -> tuple[RenderedText | None, ...]:
    answered = await service.post(PATH, json={"payloads": payloads})
    assert answered.status_code == 200, answered.text
    return PushTextFindings.model_validate(answered.json()["data"]).texts


async def test_they_are_those_that_a_worker_sends(service) -> None:
    ada = RenderedText(title="Hi Ada", body="AdaAdaAda", image="", link="https://example.com/Ada")
    assert await _texts(service, payload(), payload("Bo")) == (
        ada, RenderedText(title="Hi Bo", body="BoBoBo", image="", link="https://example.com/Bo"),
    )  # fmt: skip
    assert await _texts(service, payload()) == (ada,), "from the memory"


async def test_what_cannot_be_rendered_has_none(service) -> None:
    unknown = payload(version=9), payload(code="nothing"), payload(None)
    first, *others = await _texts(service, payload(), *unknown)
    assert first is not None
    assert others == [None, None, None]


def test_what_there_is_no_time_for_is_left_to_another_question() -> None:
    template = compile_template(TemplateSource(title="Hi {{ name }}"))
    payloads = [PushTextPayload.model_validate(payload())] * 3
    for until, number in ((time.monotonic(), 1), (time.monotonic() + 60, 3)):
        assert len(push_texts._texts({payloads[0].template: template}, payloads, until)) == number


async def test_there_is_a_limit(service) -> None:
    assert (await service.post(PATH, json={"payloads": [payload()] * (MAX_TEXTS + 1)})).status_code == 422


async def test_workers_do_not_ask(client_with, service_token) -> None:
    worker = client_with(service_token(caller="push-service"))
    assert (await worker.post(PATH, json={"payloads": [payload()]})).status_code == 403


async def test_each_version_says_how_large_a_push_can_become(admin, service) -> None:
    async def size() -> dict[str, Any]:
        found = await service.post("/internal/templates/find", json={"active": ["push"]})
        return found.json()["data"]["active"]["push"]["languages"]["en"]["push_size"]

    assert await size() == {"literal": 0, "values": {}, "bounded": False}, "it has a loop"
    await admin.patch(f"{TEMPLATES}/push", json={"body": "{{ name }} {{ name | upcase }}"})
    found = await size()
    assert found["bounded"]
    assert found["values"] == {"name": 1 + 1 + 3 + 1}, "title, body, thrice in capitals, link"
    assert 25 < found["literal"] < 50
