"""Access tokens and the keys they are signed with."""

import asyncio
import base64
import json
import time
from typing import Any

from jose import jws
from sqlalchemy import text

from chassis.postgres.database import Database
from chassis.security import (
    Jwks,
    SharedSecret,
    TokenKind,
    TokenVerifier,
    generate_es256_key,
    sign,
)
from contracts.callers import ACCESS_AUDIENCE, ACCESS_ISSUER
from testkit.eventually import eventually
from user_service.repositories import signing_keys
from user_service.services.signing_keys import StoredKeys

ME = "/api/v1/auth/me"


def _claims(user_id: str, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": ACCESS_ISSUER, "aud": ACCESS_AUDIENCE, "sub": user_id, "iat": now, "exp": now + 60, "jti": "x"}
    return {key: value for key, value in {**claims, **changes}.items() if value is not None}


def _encoded(part: object) -> str:
    return (
        base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=").decode()
    )


async def _status(world, token: str) -> int:
    return (await world.http.get(ME, headers={"Authorization": f"Bearer {token}"})).status_code


async def test_another_service_verifies_a_token_with_the_published_keys(world) -> None:
    user = await world.user()
    answer = await world.http.get("/.well-known/jwks.json")
    assert set(answer.json()) == {"keys"}
    assert all("d" not in key and key["alg"] == "ES256" for key in answer.json()["keys"])

    async def fetch() -> bytes:
        return answer.content

    claims = await TokenVerifier([Jwks(fetch)], issuer=ACCESS_ISSUER, audience=ACCESS_AUDIENCE).verify(user.token)
    assert (claims.subject, claims.role) == (user.id, "user")
    assert claims.expires_at - claims.issued_at == 1800


async def test_replicas_that_start_together_agree_on_one_key(make_world) -> None:
    first = await make_world()
    async with first.database.begin() as connection:
        await connection.execute(text("DELETE FROM signing_keys"))
    replicas = await asyncio.gather(*(make_world(database_url=first.settings.database_url) for _ in range(4)))
    documents = {(await replica.http.get("/.well-known/jwks.json")).content for replica in replicas}
    assert len(documents) == 1
    assert len(json.loads(documents.pop())["keys"]) == 1
    user = await replicas[0].user()
    assert await _status(replicas[1], user.token) == 200


async def _waiting_for_a_lock(connection) -> int:
    query = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return (await connection.execute(query)).scalar_one()


async def test_only_one_process_at_a_time_makes_a_key(make_world) -> None:
    world = await make_world()
    stores = [Database(world.settings.database_url) for _ in range(3)]
    async with world.database.begin() as connection:
        await connection.execute(text("DELETE FROM signing_keys"))
        await signing_keys.lock(connection)
        makers = [asyncio.create_task(StoredKeys(store, "s" * 32).current()) for store in stores]
        await eventually(lambda: _waiting_for_a_lock(connection), 20, until=lambda found: found >= len(makers))
    assert len({key.kid for key in await asyncio.gather(*makers)}) == 1
    for store in stores:
        await store.close()


async def test_a_private_key_is_not_readable_in_the_database(world) -> None:
    async with world.database.begin() as connection:
        kept = (await connection.execute(text("SELECT private_encrypted, public_jwk::text FROM signing_keys"))).one()
    assert "PRIVATE KEY" not in kept[0]
    assert '"d"' not in kept[1]


async def test_with_a_new_secret_a_new_key_signs_and_old_tokens_stay_good(make_world) -> None:
    world = await make_world()
    old = await world.user()
    changed = await make_world(
        database_url=world.settings.database_url, secret_key="another secret of 32 or more bytes"
    )
    new = await changed.user()
    assert await _status(changed, old.token) == 200
    assert await _status(changed, new.token) == 200
    assert len((await changed.http.get("/.well-known/jwks.json")).json()["keys"]) == 2


async def test_with_hs256_the_shared_secret_signs_and_nothing_is_published(make_world) -> None:
    world = await make_world(algorithm="HS256", access_token_expire_minutes=5)
    user = await world.user()
    secret = SharedSecret(world.settings.secret_key.get_secret_value())
    claims = await TokenVerifier([secret], issuer=ACCESS_ISSUER, audience=ACCESS_AUDIENCE).verify(user.token)
    assert (claims.subject, claims.expires_at - claims.issued_at) == (user.id, 300)
    assert (await world.http.get("/.well-known/jwks.json")).json() == {"keys": []}
    assert await _status(world, user.token) == 200


async def test_no_forged_token_is_taken(world) -> None:
    user = await world.user()
    ours = await world.app.state.services.signing_keys.current()
    document = (await world.http.get("/.well-known/jwks.json")).json()["keys"][0]
    public = json.dumps(document, separators=(",", ":")).encode()
    header = {"alg": "ES256", "typ": TokenKind.ACCESS.value, "kid": ours.kid}
    payload = _encoded(_claims(user.id))
    forged = {
        "alg none": f"{_encoded({**header, 'alg': 'none'})}.{payload}.",
        "public key as HMAC secret": jws.sign(_claims(user.id), public, headers=header, algorithm="HS256"),
        "no exp": sign(_claims(user.id, exp=None), ours),
        "no aud": sign(_claims(user.id, aud=None), ours),
        "another audience": sign(_claims(user.id, aud="template-service"), ours),
        "another issuer": sign(_claims(user.id, iss="api-gateway"), ours),
        "expired": sign(_claims(user.id, exp=int(time.time()) - 1), ours),
        "unknown kid": sign(_claims(user.id), generate_es256_key()),
        "service token": world.service_headers()["Authorization"].split()[1],
        "brackets": f"{_encoded(b'[' * 5000)}.{payload}.x",
        "junk appended": f"{user.token}x",
        "a segment appended": f"{user.token}.x",
        "nothing": "",
        "odd exp": sign(_claims(user.id, exp=1e300), ours),
    }
    assert {name: await _status(world, token) for name, token in forged.items()} == dict.fromkeys(forged, 401)
    assert await _status(world, sign(_claims(user.id), ours)) == 200  # the forger's tools do work


async def test_a_revoked_token_with_junk_appended_is_not_taken(world) -> None:
    user = await world.user()
    await user.call("POST", "/api/v1/auth/logout")
    for token in (user.token, f"{user.token}=", f"{user.token}x", f" {user.token}"):
        assert await _status(world, token) == 401


async def test_a_service_token_opens_no_public_route(world) -> None:
    for path in ("/api/v1/users", "/api/v1/auth/me", "/api/v1/api-keys"):
        assert (await world.http.get(path, headers=world.service_headers())).status_code == 401
