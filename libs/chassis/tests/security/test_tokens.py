"""Every invalid token is answered with Unauthorized."""

import asyncio
import contextlib
import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.errors import Unauthorized
from chassis.security import (
    Jwks,
    ServiceTokens,
    SharedSecret,
    TokenVerifier,
    generate_es256_key,
    public_jwk,
    sign,
)
from chassis.security.credentials import credential_of
from chassis.security.keys import VerificationKey
from chassis.security.service_keys import development_key


async def refused(verifier, token):
    with pytest.raises(Unauthorized) as refusal:
        await verifier.verify(token)
    assert refusal.value.status == 401
    assert refusal.value.headers["WWW-Authenticate"] == "Bearer"
    return refusal.value


async def test_a_good_token_is_accepted(verifier, issuer, secret):
    assert (await verifier.verify(issuer.token())).subject == "42"
    ours = sign(issuer.claims(role="admin"), SharedSecret(secret).signing_key)
    assert (await verifier.verify(ours)).role == "admin"


async def test_alg_none(verifier, issuer):
    for alg in ("none", "None", "NONE", ""):
        token = issuer.token(header={"alg": alg, "typ": "access+jwt", "kid": "shared"})
        await refused(verifier, token)
        await refused(verifier, f"{token.rpartition('.')[0]}.")


async def test_a_public_key_as_hmac_secret(issuer, wall_clock):
    """The public key is public, so an HMAC with it must not count as a signature."""
    key = generate_es256_key()

    async def fetch():
        return json.dumps({"keys": [public_jwk(key)]}).encode()

    verifier = TokenVerifier([Jwks(fetch)], issuer="user-service", audience="notifications", clock=wall_clock)
    assert await verifier.verify(sign(issuer.claims(), key))
    public_pem = key.jose_key.public_key().to_pem().decode()
    for secret in (public_pem, public_pem.strip(), public_jwk(key)["x"]):
        for alg in ("HS256", "ES256"):
            forged = issuer.token(header={"alg": alg, "typ": "access+jwt", "kid": key.kid}, secret=secret)
            await refused(verifier, forged)


async def test_a_source_that_gives_a_key_for_another_algorithm_is_not_followed(issuer, secret, wall_clock):
    class Careless:
        async def find(self, kid, algorithm):
            return VerificationKey("ES256", SharedSecret(secret).signing_key.jose_key)

    verifier = TokenVerifier([Careless()], issuer="user-service", audience="notifications", clock=wall_clock)
    await refused(verifier, issuer.token())


@pytest.mark.parametrize("claim", ["exp", "aud", "iss", "sub", "iat"])
async def test_a_missing_claim(verifier, issuer, claim):
    await refused(verifier, issuer.token(payload=issuer.claims(**{claim: None})))


async def test_other_services_audience_and_other_issuer(verifier, issuer):
    await refused(verifier, issuer.token(payload=issuer.claims(aud="billing")))
    await refused(verifier, issuer.token(payload=issuer.claims(iss="somebody")))


async def test_unknown_kid(verifier, issuer):
    await refused(verifier, issuer.token(header={"alg": "HS256", "typ": "access+jwt", "kid": "unknown"}))


async def test_a_header_of_5000_brackets(verifier, issuer):
    await refused(verifier, issuer.token(header=b"[" * 5_000))


async def test_a_payload_as_deep_as_fits(verifier, issuer):
    await refused(verifier, issuer.token(payload=b"[" * 2_800))
    deep = b'{"x":' + b"[" * 1_200 + b"]" * 1_200 + b"}"
    await refused(verifier, issuer.token(payload=deep))


async def test_another_secret_and_a_changed_payload(verifier, issuer):
    await refused(verifier, issuer.token(secret="x" * 64))
    header, _, signature = issuer.token().split(".")
    payload = issuer.token(payload=issuer.claims(role="admin")).split(".")[1]
    await refused(verifier, f"{header}.{payload}.{signature}")


async def test_junk_appended_to_a_known_token(verifier, issuer):
    token = issuer.token()
    assert await verifier.verify(token)
    for junk in ("x", "=", ".", ".x", " ", "\n", "AAAA", "\0"):
        await refused(verifier, token + junk)


async def test_a_service_token_does_not_pass_as_an_access_token(verifier, issuer, wall_clock):
    tokens = ServiceTokens(development_key("user-service"), clock=wall_clock)
    await refused(verifier, tokens.issue("notifications"))
    await refused(verifier, issuer.token(header={"alg": "HS256", "typ": "service+jwt", "kid": "shared"}))


async def test_an_expired_token_says_so(verifier, issuer, wall_clock):
    token = issuer.token()
    wall_clock.advance(600)
    assert (await refused(verifier, token)).code == "token_expired"


async def test_a_remembered_token_is_not_accepted_past_its_expiry(verifier, issuer, wall_clock):
    token = issuer.token(payload=issuer.claims(exp=int(wall_clock()) + 2))
    assert await verifier.verify(token)
    wall_clock.advance(2)
    await refused(verifier, token)


class Withdrawing:
    """Counts lookups, and stops giving its key when the test says so."""

    def __init__(self, secret):
        self.inner, self.lookups, self.withdrawn = SharedSecret(secret), 0, False

    async def find(self, kid, algorithm):
        self.lookups += 1
        return None if self.withdrawn else await self.inner.find(kid, algorithm)


async def test_a_token_is_checked_once_in_a_few_seconds(secret, issuer, wall_clock):
    keys = Withdrawing(secret)
    verifier = TokenVerifier([keys], issuer="user-service", audience="notifications", clock=wall_clock)
    token = issuer.token()
    for _ in range(100):
        await verifier.verify(token)
    assert keys.lookups == 1


async def test_constant_use_does_not_keep_a_token_remembered(secret, issuer, wall_clock):
    keys = Withdrawing(secret)
    verifier = TokenVerifier(
        [keys], issuer="user-service", audience="notifications", remember_seconds=0.5, clock=wall_clock
    )
    token = issuer.token()
    await verifier.verify(token)
    keys.withdrawn = True
    deadline = time.monotonic() + 5
    while keys.lookups == 1 and time.monotonic() < deadline:
        with contextlib.suppress(Unauthorized):
            await verifier.verify(token)
    await refused(verifier, token)


async def test_refusals_are_not_remembered_as_good(verifier, issuer):
    token = issuer.token(secret="x" * 64)
    for _ in range(3):
        await refused(verifier, token)


@st.composite
def altered(draw, token: str) -> str:
    """Up to three changes to a token, or something around it."""
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(token)))
        end = draw(st.integers(begin, min(begin + 3, len(token))))
        token = token[:begin] + draw(st.text(st.sampled_from(f"{token}=+/ .\t\0\n\"',é"), max_size=3)) + token[end:]
    return draw(st.sampled_from(["{}", "{}", "{}", "Bearer {}", "'{}'", "{0}.{0}", "{0},{0}", "{}\n", "[{}]"])).format(
        token
    )


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_an_altered_or_wrapped_token_is_refused(verifier, issuer, data):
    good = issuer.token()
    token = data.draw(
        altered(good) | st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1"))
    )
    if token != good:
        with pytest.raises(Unauthorized):
            asyncio.run(verifier.verify(token))


@given(st.none() | st.text() | st.text().map("Bearer {}".format), st.none() | st.text() | st.text().map("nk_{}".format))
def test_no_header_whatever_raises_anything_but_unauthorized(authorization, api_key):
    with contextlib.suppress(Unauthorized):
        credential_of(authorization, api_key)
