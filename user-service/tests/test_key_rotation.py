"""Keys that access tokens are signed with: made anew by command, with nobody locked out."""

import base64
import json
import time
from itertools import count

import pytest
from sqlalchemy import text


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
    """A minute passes whenever somebody looks at the clock: nobody has looked for newer ones lately."""
    stored = world.app.state.services.signing_keys
    stored._clock = stored._source._clock = count(time.monotonic(), 60).__next__
    return stored


async def test_a_new_key_is_published_first_and_signed_with_when_everybody_can_know_it(world, keys) -> None:
    person = await world.user()
    old, new = _kid(person.token), await keys.rotate()
    assert await _published(world) == [new, old]
    assert _kid((await world.log_in(person.email))["access_token"]) == old
    await _age(world, "2 minutes")
    later = await world.log_in(person.email)
    assert _kid(later["access_token"]) == new
    for token in (person.token, later["access_token"]):
        me = await world.http.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert me.status_code == 200
    await _age(world, "26 hours")
    assert await _published(world) == [new]


async def test_however_many_keys_there_are_the_key_set_stays_readable(world, keys) -> None:
    person = await world.user()
    for _ in range(40):
        await keys.rotate()
    assert len(await _published(world)) == 32
    await _age(world, "2 minutes")
    person.token = (await world.log_in(person.email))["access_token"]
    assert (await person.call("GET", "/api/v1/auth/me")).status_code == 200
