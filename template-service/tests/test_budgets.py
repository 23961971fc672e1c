"""Saving and previewing use a core: each caller has a budget, and a busy caller does not delay other callers."""

import asyncio

import pytest

from chassis.process.fair_semaphore import FairSemaphore
from template_service.main import RENDERS_WAITING, create_app

TEMPLATES = "/api/v1/templates"
PREVIEW = {"content": "Hello {{ name }}", "variables": {"name": "Ada"}}


@pytest.fixture
def heavy(client_with, access_token):
    """A caller with one running piece of work that does not end."""
    return client_with(access_token(role="admin", sub="00000000-0000-4000-8000-000000000001"))


HEAVY = "user:00000000-0000-4000-8000-000000000001"


async def test_a_busy_caller_does_not_delay_other_callers(app, heavy, admin) -> None:
    """Counted, not timed: the other caller's previews are answered before any further one of the busy caller begins."""
    turns: FairSemaphore = app.state.render_turns
    async with turns.turn(HEAVY):
        previews = [
            asyncio.create_task(heavy.post(f"{TEMPLATES}/render", json=PREVIEW)) for _ in range(RENDERS_WAITING + 5)
        ]
        first = zip(range(5), asyncio.as_completed(previews), strict=False)
        refused = [(await done).status_code for _, done in first]
        assert refused == [429] * 5, "no more than ten may wait"
        for _ in range(3):
            assert (await admin.post(f"{TEMPLATES}/render", json=PREVIEW)).status_code == 200
        assert sum(not preview.done() for preview in previews) == RENDERS_WAITING
        assert (await heavy.get(TEMPLATES)).status_code == 200, "what is light is not limited"
    answers = await asyncio.gather(*previews)
    assert sorted(answer.status_code for answer in answers) == [200] * RENDERS_WAITING + [429] * 5
    for answer in answers:
        if answer.status_code == 429:
            assert (answer.json()["error"], answer.headers["Retry-After"]) == ("rate_limited", "1")


@pytest.fixture
async def narrow_app(settings, redis):
    """Where a caller may save or preview three templates a minute."""
    made = create_app(settings.model_copy(update={"render_limit_per_minute": 3}), redis=redis)
    async with made.router.lifespan_context(made):
        yield made


async def test_a_caller_above_its_budget_gets_429_with_retry_after(narrow_app, client_with, access_token) -> None:
    mine, another = (client_with(access_token(role="admin"), served=narrow_app) for _ in range(2))
    body = {"code": "a", "name": "A", **PREVIEW}
    assert (await mine.post(TEMPLATES, json={key: body[key] for key in ("code", "name", "content")})).status_code == 201
    assert (await mine.patch(f"{TEMPLATES}/a", json={"content": "Hi"})).status_code == 200
    assert (await mine.post(f"{TEMPLATES}/a/render", json={"variables": {}})).status_code == 200
    for method, path in (("POST", ""), ("PUT", "/a"), ("PATCH", "/a"), ("POST", "/render"), ("POST", "/a/render")):
        refused = await mine.request(method, f"{TEMPLATES}{path}", json={})
        assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited"), (method, path)
        assert (refused.headers["RateLimit-Limit"], refused.headers["RateLimit-Remaining"]) == ("3", "0")
        assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert (await mine.get(f"{TEMPLATES}/a")).status_code == 200
    assert (await another.post(f"{TEMPLATES}/render", json=PREVIEW)).status_code == 200
