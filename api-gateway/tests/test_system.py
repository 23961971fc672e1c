"""The state of all services: each one's own word, and one that does not answer is said to be unreachable."""

import asyncio
from typing import Any

import pytest

from api_gateway.services.system import SystemReader
from chassis.errors import DependencyUnavailable
from chassis.http.health import HealthBoard

PATH = "/api/v1/system"
SERVICES = ["api-gateway", "user-service", "template-service", "email-service", "push-service"]
DOWN = {"status": "down", "essential": True, "latency_ms": 2000.0, "error": "TimeoutError"}


async def states(gateway: Any) -> dict[str, Any]:
    answered = await gateway.http.get(PATH, headers=gateway.token())
    assert answered.status_code == 200, answered.text
    return {one["service"]: one for one in answered.json()["data"]["services"]}


async def test_every_service_says_how_it_is(gateway) -> None:
    found = await states(gateway)
    assert list(found) == SERVICES
    assert (found["api-gateway"]["version"], found["api-gateway"]["status"]) == ("0.1.0", "healthy")
    assert {"database", "rabbitmq", "redis"} <= set(found["api-gateway"]["dependencies"])
    for name in SERVICES[1:]:
        assert (found[name]["status"], found[name]["version"], found[name]["uptime_seconds"]) == (
            "healthy",
            "1.2.3",
            7.5,
        )
        assert found[name]["dependencies"]["database"]["status"] == "up"
        assert found[name]["latency_ms"] > 0


async def test_a_service_that_is_not_well_is_not_unreachable(gateway) -> None:
    """It answers 503, and says why. The breaker does not open: looking hurts nobody."""
    state = {"uptime_seconds": 7.5, "dependencies": {"database": DOWN}}  # of an earlier release, without a version
    gateway.peers.health = {"status": "unhealthy", "data": state}
    for _ in range(20):
        found = await states(gateway)
    assert (found["push-service"]["status"], found["push-service"]["version"]) == ("unhealthy", None)
    assert found["push-service"]["dependencies"]["database"]["error"] == "TimeoutError"
    gateway.peers.add_template()
    assert (await gateway.send(user_id=str(gateway.peers.add_user().id))).status_code == 202


@pytest.mark.parametrize("body", [{"status": "fine"}, {"status": "healthy", "data": {}}])
async def test_what_is_no_health_is_unreachable(gateway, body: Any) -> None:
    gateway.peers.health = body
    found = await states(gateway)
    assert [found[name]["status"] for name in SERVICES] == ["healthy", *["unreachable"] * 4]
    assert (found["user-service"]["version"], found["user-service"]["dependencies"]) == (None, {})


class Silent:
    async def health(self) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError


class Gone:
    async def health(self) -> bytes:
        raise DependencyUnavailable("it did not answer")


async def test_a_service_that_is_silent_or_gone_does_not_keep_the_others_waiting() -> None:
    services: Any = {"silent": Silent(), "gone": Gone()}
    reader = SystemReader(HealthBoard("api-gateway", [], "1"), services, deadline_seconds=0.05)
    found = await asyncio.wait_for(reader.read(), 5)
    assert [(one.service, one.status) for one in found.services] == [
        ("api-gateway", "healthy"), ("silent", "unreachable"), ("gone", "unreachable"),
    ]  # fmt: skip


async def test_it_is_for_administrators(gateway) -> None:
    assert (await gateway.http.get(PATH)).status_code == 401
    assert (await gateway.http.get(PATH, headers=gateway.token(role="user"))).status_code == 403
