"""The service as a whole: starting, failing, describing itself."""

import itertools

from chassis.redis.client import connect_redis
from user_service.main import create_app
from user_service.settings import UserSettings


async def test_health_names_what_the_service_needs(world) -> None:
    answer = await world.http.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
    assert set(answer.json()["data"]["dependencies"]) == {"database", "redis"}


async def test_without_redis_the_service_is_degraded_and_ready(make_world, dead_redis) -> None:
    world = await make_world(redis=dead_redis)
    assert (await world.http.get("/health")).json()["status"] == "degraded"
    assert (await world.http.get("/health/readiness")).status_code == 200


async def test_it_starts_without_a_database_and_says_503(make_world, unused_tcp_port) -> None:
    world = await make_world(database_url=f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/none")
    assert (await world.http.get("/health/live")).status_code == 200
    assert (await world.http.get("/health/readiness")).status_code == 503
    for answer in (
        await world.try_login("ada@example.com"),
        await world.http.get("/.well-known/jwks.json"),
        await world.http.get("/api/v1/users", headers={"X-API-Key": f"nk_{'x' * 43}"}),
    ):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]


async def test_making_the_app_connects_to_nothing(unused_tcp_port) -> None:
    settings = UserSettings(_env_file=None, database_url="postgresql://nobody@127.0.0.1:1/none")
    app = create_app(settings, redis=connect_redis(f"redis://127.0.0.1:{unused_tcp_port}"))
    assert app.openapi()["info"]["title"] == "User service"


def _schemas(node: object) -> list[dict]:
    if isinstance(node, dict):
        found = [node] if node.get("type") == "object" and "properties" in node else []
        return found + [schema for value in node.values() for schema in _schemas(value)]
    return [schema for value in node for schema in _schemas(value)] if isinstance(node, list) else []


NO_BODIES = [b"[" * 10_000, b"{", b"\xff\xfe", b'"text"', b"null", b""]


async def test_no_body_makes_an_internal_error(world) -> None:
    for content, path in itertools.product(NO_BODIES, ("/api/v1/users", "/api/v1/auth/login", "/api/v1/auth/refresh")):
        answer = await world.http.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}, answer.text


async def test_nothing_secret_is_logged(world, capfd) -> None:
    user = await world.user(push_token="a-device-token")
    await world.try_login(user.email, "wrong one")
    await user.call("PATCH", json={"password": "another horse", "current_password": "correct horse"})
    await user.call("GET", "/api/v1/users")
    key = await world.api_key("users:read")
    written = "".join(capfd.readouterr())
    assert "http.refused" in written
    for secret in (user.email, "correct horse", "wrong one", "another horse", user.token, "a-device-token", key.key):
        assert secret not in written
    metrics = (await world.http.get("/metrics")).text
    assert 'logins_total{outcome="refused"} 1.0' in metrics
    assert user.email not in metrics
