"""The users of the bench are as a sign-up makes them, are found by the services' own classes, and take turns."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from bench.baselines import looking_up
from bench.baselines.accepting import recipient_of, users_client
from bench.database import Database
from bench.load import lookups
from bench.users import Walk, populate
from chassis.http.client import ServiceClient
from chassis.process.breaker import CircuitBreaker
from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from conftest import Databases
from contracts.addresses import address_key
from contracts.recipients import Preferences
from contracts.services import API_GATEWAY, USER_SERVICE
from contracts.users import UserContact
from devstack.serving import serving
from user_service.main import create_app
from user_service.settings import UserSettings

ALEMBIC = Path(__file__).resolve().parents[2] / "user-service" / "alembic"
PERSON = {"name": "Ada", "email": "ada@example.com", "password": "correct horse", "push_token": "device",
          "preferences": {"email": True, "push": False}, "language": "de"}  # fmt: skip
NUMBER = 300


@dataclass
class Service:
    """A running user service, somebody who has signed up there, and a client of its internal routes."""

    app: FastAPI
    database: Database
    model: UUID
    client: ServiceClient

    async def populate(self) -> list[str]:
        return await asyncio.to_thread(populate, self.database, self.model, NUMBER)

    async def rows(self, statement: str) -> list[Any]:
        return await asyncio.to_thread(self.database.rows, statement)

    async def contact(self, user_id: str) -> UserContact:
        found = await self.app.state.services.lookups.find(UUID(user_id))
        return UserContact.model_validate(found)


@pytest.fixture
async def service(databases: Databases, redis: Redis) -> AsyncIterator[Service]:
    settings = UserSettings(_env_file=None, database_url=await databases(ALEMBIC))
    app, database = create_app(settings, redis=redis), Database(settings.database_url)
    tokens = ServiceTokens(development_key(API_GATEWAY))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = url_of(listener)
        client = ServiceClient(url, USER_SERVICE, tokens, CircuitBreaker(USER_SERVICE))
        async with serving(app, listener), httpx2.AsyncClient(base_url=url, trust_env=False) as http:
            answer = await http.post("/api/v1/users", json=PERSON)
            assert answer.status_code == 201, answer.text
            yield Service(app, database, UUID(answer.json()["data"]["id"]), client)
            await client.close()
            await asyncio.to_thread(database.close)


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_copy_differs_from_who_signed_up_in_what_is_its_own_and_in_nothing_else(service: Service) -> None:
    made = await service.populate()
    assert len(set(made)) == NUMBER
    one, other = await service.contact(made[0]), await service.contact(made[-1])
    for contact in (one, other):
        assert contact.preferences == Preferences(email=True, push=False)
        assert contact.language == "de"
        assert len(contact.push_tokens) == 1
    assert one.email != other.email
    assert one.push_tokens != other.push_tokens
    stored = await service.rows("SELECT id, email, email_key, role, created_at FROM users ORDER BY id")
    assert len(stored) == 1 + NUMBER
    assert {row["role"] for row in stored} == {"user"}
    assert all(row["email_key"] == address_key(row["email"]) for row in stored)
    assert [row["created_at"] for row in stored] == sorted(row["created_at"] for row in stored)


async def test_a_column_that_is_new_is_copied_too(service: Service) -> None:
    await service.rows("ALTER TABLE users ADD COLUMN confirmed_at timestamptz")
    await service.rows("UPDATE users SET confirmed_at = now()")
    await service.populate()
    assert await service.rows("SELECT id FROM users WHERE confirmed_at IS NULL") == []


async def test_somebody_without_a_device_cannot_be_copied(service: Service) -> None:
    await service.rows("DELETE FROM user_push_tokens")
    with pytest.raises(RuntimeError, match=f"0 users with a device were made instead of {NUMBER}"):
        await service.populate()


@pytest.mark.parametrize("make", [lookups.gateway, lookups.worker])
async def test_the_services_own_classes_find_whoever_is_there_and_no_one_else(
    make, service: Service, redis: Redis
) -> None:
    made = [UUID(user) for user in await service.populate()]
    look_up = make(service.client, redis)
    assert await look_up(made[:20]) == 20
    assert await look_up([*made[20:30], uuid4()]) == 10


async def test_a_worker_s_fallback_is_not_taken_for_a_find(service: Service, redis: Redis, unused_tcp_port) -> None:
    tokens = ServiceTokens(development_key(API_GATEWAY))
    nobody = ServiceClient(f"http://127.0.0.1:{unused_tcp_port}", USER_SERVICE, tokens, CircuitBreaker(USER_SERVICE))
    assert await lookups.worker(nobody, redis)([uuid4()]) == 0
    await nobody.close()


async def test_the_floor_finds_each_of_the_same_users(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    url, users = await databases(None), [str(uuid4()) for _ in range(50)]
    database = Database(url)
    await asyncio.to_thread(looking_up.fill, database, users)
    await asyncio.to_thread(database.close)
    monkeypatch.setenv("DATABASE_URL", url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("USERS_URL", url_of(listener))
        async with serving(looking_up.app, listener), users_client() as client:
            found = [await recipient_of(UUID(user), client) for user in users]
            assert [one["id"] for one in found] == users
            assert len({one["email"] for one in found}) == len(users)
            with pytest.raises(Exception, match="404"):
                await recipient_of(uuid4(), client)


async def test_the_floor_looks_nobody_up_where_it_is_given_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("USERS_URL", raising=False)
    async with users_client() as client:
        assert await recipient_of(uuid4(), client) is None


USERS = [f"u{number}" for number in range(1_000)]


def test_everybody_has_a_turn_before_anybody_has_a_second() -> None:
    walk = Walk(USERS)
    first, second = walk.take(700), walk.take(500)
    assert len(set(first)) == 700
    assert set(first) | set(second[:300]) == set(USERS)
    assert walk.repeated == 200
    assert second[300:] == first[:200]


def test_turns_are_in_no_order_but_the_same_in_every_run() -> None:
    assert Walk(USERS).take(1_000) != USERS
    assert Walk(USERS).take(1_000) == Walk(USERS).take(1_000)


def test_a_look_ahead_takes_no_turn() -> None:
    walk = Walk(USERS)
    walk.pass_by(10)
    seen = walk.ahead()
    assert sorted(seen) == sorted(USERS)
    assert walk.take(5) == seen[:5]


def test_more_turns_than_users_are_all_users_once() -> None:
    walk = Walk(USERS[:3])
    assert sorted(walk.take(20)) == USERS[:3]
    assert walk.repeated == 17
