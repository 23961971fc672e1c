"""What the worker says of itself, and that it starts whatever is down."""

import httpx2

from push_service.settings import PushSettings
from push_service.worker import create_app


async def test_a_worker_that_has_all_it_needs_is_healthy(working):
    health = await working.health()
    assert health["status"] == "healthy"
    states = {name: found["status"] for name, found in health["data"]["dependencies"].items()}
    needed = [
        "database",
        "rabbitmq",
        "data_keys",
        "redis",
        "user-service",
        "template-service",
        "fcm",
        "web_push",
        "apns",
        "apns_sandbox",
    ]
    assert states == dict.fromkeys(needed, "up")


async def test_it_starts_while_everything_is_down_and_says_so(free_port):
    nowhere = f"127.0.0.1:{free_port}"
    settings = PushSettings(
        _env_file=None,
        database_url=f"postgresql://nobody@{nowhere}/none",
        redis_url=f"redis://{nowhere}/0",
        rabbitmq_url=f"amqp://guest:guest@{nowhere}/",
        user_service_url=f"http://{nowhere}",
        template_service_url=f"http://{nowhere}",
        drain_seconds=0,
    )
    app = create_app(settings)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://push-service") as http,
    ):
        assert (await http.get("/health/live")).status_code == 200
        health = await http.get("/health")
        assert health.status_code == 503
        states = {name: found["status"] for name, found in health.json()["data"]["dependencies"].items()}
        assert {name for name, state in states.items() if state == "up"} == {"data_keys"}
        assert 'circuit_breaker_state{name="fcm"} 0.0' in (await http.get("/metrics")).text
