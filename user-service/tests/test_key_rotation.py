"""A command makes a new signing key for access tokens; no user is locked out."""

import base64
import json
import time
from itertools import count

import pytest
from sqlalchemy import text

from chassis.postgres.database import DatabaseUnavailable
from user_service.repositories.signing_keys import MAX_KEYS
from user_service.services.signing_keys import OtherSecret, StoredKeys, TooSoon


def _kid(token: str) -> str:
    head = token.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


async def _published(world) -> list[str]:
    return [key["kid"] for key in (await world.http.get("/.well-known/jwks.json")).json()["keys"]]


async def _age(world, interval: str, where: str = "true") -> None:
    async with world.database.begin() as connection:
        await connection.execute(
            text(f"UPDATE signing_keys SET created_at = created_at - interval '{interval}' WHERE {where}")
        )


@pytest.fixture
def keys(world):
    """A minute passes with each look at the clock, so the keys are always due to be read again."""
    stored = world.app.state.services.signing_keys
    stored.clock = stored.source.clock = count(time.monotonic(), 60).__next__
    return stored


async def test_a_new_key_is_published_first_and_signed_with_when_everybody_can_know_it(world, keys) -> None:
    person = await world.user()
    await _age(world, "12 minutes")
    old, new = _kid(person.token), await keys.rotate()
    assert await _published(world) == [new, old]
    assert _kid((await world.log_in(person.email))["access_token"]) == old
    await _age(world, "12 minutes")
    later = await world.log_in(person.email)
    assert _kid(later["access_token"]) == new
    for token in (person.token, later["access_token"]):
        me = await world.http.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert me.status_code == 200
    await _age(world, "26 hours")
    assert await _published(world) == [new]


async def test_keys_are_made_one_after_the_other_and_never_so_many_that_one_in_use_is_not_published(
    world, keys
) -> None:
    person = await world.user()
    with pytest.raises(TooSoon):
        await keys.rotate()
    made = 1
    for _ in range(40):
        await _age(world, "12 minutes")
        try:
            await keys.rotate()
        except TooSoon:
            break
        made += 1
    assert made == MAX_KEYS
    assert len(await _published(world)) == MAX_KEYS
    for token in (person.token, (await world.log_in(person.email))["access_token"]):
        me = await world.http.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert me.status_code == 200


async def test_a_process_with_another_secret_makes_no_key(world, keys) -> None:
    await _age(world, "12 minutes")
    with pytest.raises(OtherSecret):
        await StoredKeys(world.database, "another secret than the service's own").rotate()


async def test_while_the_database_is_down_the_key_we_have_signs_on(world, keys, monkeypatch) -> None:
    before = await keys.current()

    async def away(_connection: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr("user_service.services.signing_keys.signing_keys.newest_first", away)
    assert await keys.current() == before
