"""A write invalidates the gateway's cached copy, and succeeds while Redis is down."""

from collections.abc import Sequence

import pytest
from pydantic import TypeAdapter
from redis.asyncio import Redis

from chassis.redis.cache import LayeredCache
from contracts.templates import TEMPLATE_CACHE, ActiveTemplate
from template_service.main import create_app

TEMPLATES = "/api/v1/templates"
WELCOME = f"{TEMPLATES}/welcome_email"
WRITES = [
    ("POST", TEMPLATES, {"language": "pt", "content": "x"}),
    ("PUT", WELCOME, {"content": "x"}),
    ("PATCH", WELCOME, {"text": "x"}),
    ("PATCH", WELCOME, {"default_language": "en"}),
    ("POST", f"{WELCOME}/versions/1/activate", {}),
    ("DELETE", WELCOME, {}),
]


@pytest.mark.parametrize("write", WRITES)
async def test_after_a_write_the_gateway_loads_again(admin, redis, welcome, write) -> None:
    method, path, change = write
    await admin.post(TEMPLATES, json=welcome)
    await redis.flushdb()  # the tombstone of the creation
    loads = 0

    async def load(codes: Sequence[str]) -> dict[str, bytes]:
        nonlocal loads
        loads += 1
        active = ActiveTemplate(code="welcome_email", default_language="en", languages={})
        return {code: active.model_dump_json().encode() for code in codes}

    cache = LayeredCache(TEMPLATE_CACHE, redis, TypeAdapter(ActiveTemplate), load, memory_seconds=0, redis_seconds=60)
    await cache.get("welcome_email")
    await cache.get("welcome_email")
    assert loads == 1
    answer = await admin.request(method, path, json={**welcome, **change} if path == TEMPLATES else change)
    assert answer.is_success
    await cache.get("welcome_email")
    assert loads == 2


async def test_a_write_succeeds_while_redis_is_down(
    settings, client_with, access_token, welcome, unused_tcp_port
) -> None:
    dead = Redis.from_url(f"redis://127.0.0.1:{unused_tcp_port}")
    app = create_app(settings, redis=dead)
    async with app.router.lifespan_context(app), client_with(access_token(role="admin"), app) as client:
        assert (await client.post(TEMPLATES, json=welcome)).status_code == 201
        assert (await client.get(WELCOME)).status_code == 200
        assert (await client.get("/health")).json()["status"] == "degraded"
    await dead.aclose()


async def test_without_its_database_the_service_says_so(
    settings, redis, client_with, access_token, unused_tcp_port
) -> None:
    away = settings.model_copy(update={"database_url": f"postgresql+asyncpg://x@127.0.0.1:{unused_tcp_port}/x"})
    app = create_app(away, redis=redis)
    async with app.router.lifespan_context(app), client_with(access_token(role="admin"), app) as client:
        answer = await client.get(TEMPLATES)
        assert (answer.status_code, answer.json()["error"]) == (503, "database_unavailable")
        assert answer.headers["Retry-After"]
        assert (await client.get("/health/readiness")).status_code == 503
