import asyncio
import json

import pytest

from chassis.errors import Unavailable
from chassis.security import Jwks, generate_es256_key, public_jwk
from chassis.security.jwks import BETWEEN_FETCHES_SECONDS, FIRST_FETCH_SECONDS, MAX_AGE_SECONDS, parse_jwks
from testkit.eventually import other_tasks


class Owner:
    """Publishes keys; counts fetches; fails while the test says so."""

    def __init__(self, *keys):
        self.entries = [public_jwk(key) for key in keys]
        self.fetches = 0
        self.failing = False
        self.answer = asyncio.Event()
        self.answer.set()

    async def fetch(self):
        self.fetches += 1
        await self.answer.wait()
        if self.failing:
            raise OSError("away")
        return json.dumps({"keys": self.entries}).encode()


@pytest.fixture
def key():
    return generate_es256_key()


@pytest.fixture
def owner(key):
    return Owner(key)


@pytest.fixture
def jwks(owner, clock):
    return Jwks(owner.fetch, clock=clock)


async def test_keys_are_fetched_once_and_kept(jwks, owner, key):
    for _ in range(5):
        assert (await jwks.find(key.kid, "ES256")).verifies(b"m", key.jose_key.sign(b"m"))
    assert owner.fetches == 1


async def test_no_key_is_given_for_another_algorithm(jwks, owner, key):
    assert await jwks.find(key.kid, "HS256") is None
    assert owner.fetches == 0


async def test_concurrent_first_uses_share_one_fetch(jwks, owner, key):
    found = await asyncio.gather(*(jwks.find(key.kid, "ES256") for _ in range(20)))
    assert all(found)
    assert owner.fetches == 1


async def test_a_new_key_is_found_when_a_token_names_it(jwks, owner, key, clock):
    await jwks.find(key.kid, "ES256")
    new = generate_es256_key()
    owner.entries.append(public_jwk(new))
    clock.advance(BETWEEN_FETCHES_SECONDS)
    assert await jwks.find(new.kid, "ES256")
    assert owner.fetches == 2


async def test_invented_kids_cause_a_fetch_at_most_every_30_seconds(jwks, owner, key, clock):
    await jwks.find(key.kid, "ES256")
    for number in range(300):
        clock.advance(0.29)
        assert await jwks.find(f"invented-{number}", "ES256") is None
    assert owner.fetches == 3


async def test_the_keys_we_have_stay_in_use_while_the_owner_is_down(jwks, owner, key, clock):
    await jwks.find(key.kid, "ES256")
    owner.failing = True
    for _ in range(10):
        clock.advance(MAX_AGE_SECONDS)
        assert await jwks.find(key.kid, "ES256")
        await other_tasks(10)
    assert owner.fetches == 11


async def test_a_refresh_because_of_age_delays_no_caller(jwks, owner, key, clock):
    await jwks.find(key.kid, "ES256")
    owner.answer.clear()
    clock.advance(MAX_AGE_SECONDS)
    async with asyncio.timeout(1):
        assert await jwks.find(key.kid, "ES256")
    await other_tasks(10)
    assert owner.fetches == 2
    owner.answer.set()
    await other_tasks(10)


async def test_a_withdrawn_key_stops_working(jwks, owner, key, clock):
    await jwks.find(key.kid, "ES256")
    owner.entries = [public_jwk(generate_es256_key())]
    clock.advance(MAX_AGE_SECONDS)
    await jwks.find(key.kid, "ES256")
    await other_tasks(10)
    assert await jwks.find(key.kid, "ES256") is None


async def test_without_any_key_the_answer_is_unavailable_and_soon_tried_again(jwks, owner, key, clock):
    owner.failing = True
    for _ in range(5):
        with pytest.raises(Unavailable):
            await jwks.find(key.kid, "ES256")
    assert owner.fetches == 1
    owner.failing = False
    clock.advance(FIRST_FETCH_SECONDS)
    assert await jwks.find(key.kid, "ES256")


async def test_a_cancelled_caller_does_not_cancel_the_fetch(jwks, owner, key):
    owner.answer.clear()
    first = asyncio.create_task(jwks.find(key.kid, "ES256"))
    await other_tasks(10)
    second = asyncio.create_task(jwks.find(key.kid, "ES256"))
    await other_tasks(10)
    first.cancel()
    await asyncio.wait([first])
    owner.answer.set()
    assert await second
    assert owner.fetches == 1


def document(*entries):
    return json.dumps({"keys": list(entries)}).encode()


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA"},
        {"crv": "P-384"},
        {"alg": "HS256"},
        {"use": "enc"},
        {"x": "A" * 43},
        {"x": "AA"},
        {"y": 1},
        {"kid": ""},
        {"kid": 1},
        {"d": "A" * 43},
    ],
    ids=str,
)
def test_what_is_not_a_public_p256_signing_key_is_not_used(key, change):
    good = generate_es256_key()
    bad = {**public_jwk(key), **change}
    assert set(parse_jwks(document(bad, public_jwk(good)))) == {good.kid}
    with pytest.raises(ValueError, match="no usable key"):
        parse_jwks(document(bad))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b'{"keys":[1,null,"a"]}', b"[" * 50_000, b" " * 70_000],
)
def test_a_document_without_keys_is_an_error(body):
    with pytest.raises(ValueError):  # noqa: PT011 - some messages are pydantic's
        parse_jwks(body)


def test_a_document_of_unreasonable_size_is_an_error(key):
    with pytest.raises(ValueError, match="too large"):
        parse_jwks(document(public_jwk(key)) + b" " * 70_000)


async def test_a_broken_document_does_not_replace_the_keys_we_have(jwks, owner, key, clock):
    await jwks.find(key.kid, "ES256")
    owner.entries = []
    clock.advance(MAX_AGE_SECONDS)
    await jwks.find(key.kid, "ES256")
    await other_tasks(10)
    assert await jwks.find(key.kid, "ES256")
