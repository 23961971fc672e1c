"""The worker's HTTP side."""

from uuid import UUID

import pytest

from chassis.broker import BrokerUnavailable
from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from contracts.addresses import fingerprint
from contracts.services import API_GATEWAY, EMAIL_SERVICE, USER_SERVICE
from contracts.topology import queues_of
from testkit.eventually import eventually
from testkit.hostile import Operation, operations_of, withstand


async def test_it_starts_while_everything_it_needs_is_down(world, redis):
    nowhere = {
        "database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/nothing",
        "user_service_url": "http://127.0.0.1:1",
        "template_service_url": "http://127.0.0.1:1",
        "smtp_port": 1,
    }
    async with world.worker(**nowhere) as app:
        health = await world.health(app)
    down = {name for name, found in health["data"]["dependencies"].items() if found["status"] == "down"}
    assert health["status"] == "unhealthy"
    assert down == {"database", "user-service", "template-service", "smtp"}


async def test_a_healthy_worker_says_so(world):
    async with world.worker() as app:
        health = await world.health(app)
    assert health["status"] == "healthy"
    assert set(health["data"]["dependencies"]) == {
        "database",
        "rabbitmq",
        "data_keys",
        "redis",
        "user-service",
        "template-service",
        "smtp",
    }


async def test_a_suppression_can_be_read_and_removed_by_the_gateway_only(world, message, lookups, inbox, until):
    user = lookups.add_user("bounce@example.com")
    mark = fingerprint("bounce@example.com")
    token, another = (ServiceTokens(development_key(one)).issue(EMAIL_SERVICE) for one in (API_GATEWAY, USER_SERVICE))
    async with world.worker() as app, world.http(app) as http:
        await world.publish(message(user))
        await until(lambda: world.failed)
        assert (await http.get(f"/internal/suppressions/{mark}")).status_code == 401
        http.headers["Authorization"] = f"Bearer {another}"
        assert (await http.delete(f"/internal/suppressions/{mark}")).status_code == 403
        http.headers["Authorization"] = f"Bearer {token}"
        found = (await http.get(f"/internal/suppressions/{mark}")).json()["data"]
        assert (found["masked"], found["reason"]) == ("b***@example.com", "bounced")
        assert (await http.delete(f"/internal/suppressions/{mark}")).status_code == 200
        assert (await http.delete(f"/internal/suppressions/{mark}")).status_code == 404
        assert (await http.get(f"/internal/suppressions/{mark}")).status_code == 404
        assert (await http.get("/internal/suppressions/bounce@example.com")).status_code == 422
        await world.publish(message(user))
        await until(lambda: inbox.emails.refused == 2)


async def test_only_the_gateway_may_read_its_ledger(world, message, lookups, inbox, until):
    token, another = (ServiceTokens(development_key(one)).issue(EMAIL_SERVICE) for one in (API_GATEWAY, USER_SERVICE))
    everything = {"first": str(UUID(int=0)), "last": str(UUID(int=2**128 - 1))}
    async with world.worker() as app, world.http(app) as http:
        await world.publish(message(lookups.add_user("ada@example.com")))
        await until(lambda: inbox.emails.total == 1)
        assert (await http.get("/internal/ledger", params=everything)).status_code == 401
        http.headers["Authorization"] = f"Bearer {another}"
        assert (await http.get("/internal/ledger", params=everything)).status_code == 403
        http.headers["Authorization"] = f"Bearer {token}"

        async def sent() -> int:
            return (await http.get("/internal/ledger", params=everything)).json()["data"]["sent"]

        await eventually(sent, 10, until=lambda found: found == 1)
        assert (await http.get("/internal/ledger", params={"first": "x"})).status_code == 422


@pytest.mark.parametrize("queue", queues_of("email"))
async def test_its_queues_are_measured_and_not_shown_while_they_cannot_be_seen(world, until, queue):
    def seen(app) -> tuple[float | None, ...]:
        names = ("queue_size", "queue_consumers")
        return tuple(app.state.metrics.get_sample_value(name, {"queue": queue}) for name in names)

    async def away(_queue: str) -> None:
        raise BrokerUnavailable

    async with world.worker() as app:
        await until(lambda: seen(app) == (0, 1))
        world.broker.depth = away
        await until(lambda: seen(app) == (None, None))


async def test_no_operation_answers_5xx(world):
    token = ServiceTokens(development_key(API_GATEWAY)).issue(EMAIL_SERVICE)
    operations = [
        Operation("GET", "/internal/ledger", (), ("first", "last")),
        Operation("GET", "/internal/suppressions/{fingerprint}", ("fingerprint",)),
        Operation("DELETE", "/internal/suppressions/{fingerprint}", ("fingerprint",)),
        Operation("GET", "/internal/suppressions", (), ("limit", "offset", "reason")),
        Operation("POST", "/internal/suppressions", (), (), {"emails": ["ada@example.com"], "reason": "manual"}),
        Operation("POST", "/internal/bounces", (), (), {}),
    ]
    async with world.worker() as app:
        own = [*operations_of(app), *operations]
        await withstand(app, {"Authorization": f"Bearer {token}"}, own, known={"fingerprint": "0" * 64}, examples=150)
