import pytest

from chassis.errors import Unauthorized
from chassis.security import ServiceCallers, ServiceTokens, SharedSecret, TokenKind, sign, verify_service_token
from chassis.security.service_tokens import SERVICE_KID


@pytest.fixture
def tokens(secret, wall_clock):
    return ServiceTokens(secret, "api-gateway", clock=wall_clock)


@pytest.fixture
def callers(secret, wall_clock):
    return ServiceCallers(secret, "user-service", clock=wall_clock)


def refused(callers, token):
    with pytest.raises(Unauthorized):
        callers.verify(token)


def test_a_service_is_recognised(tokens, callers):
    token = tokens.issue("user-service")
    assert callers.verify(token) == "api-gateway"
    assert callers.authenticate(f"Bearer {token}") == "api-gateway"


def test_now_by_the_real_clock(secret):
    token = ServiceTokens(secret, "api-gateway").issue("user-service")
    assert verify_service_token(token, secret, "user-service") == "api-gateway"


def test_a_token_for_another_service_is_refused(tokens, callers):
    refused(callers, tokens.issue("template-service"))


def test_another_secret_is_refused(callers, wall_clock):
    refused(callers, ServiceTokens("x" * 32, "api-gateway", clock=wall_clock).issue("user-service"))


def test_a_token_is_issued_once_until_a_minute_before_it_expires(tokens, callers, wall_clock):
    first = tokens.issue("user-service")
    wall_clock.advance(239)
    assert tokens.issue("user-service") == first
    wall_clock.advance(1)
    second = tokens.issue("user-service")
    assert second != first
    assert callers.verify(first) == callers.verify(second) == "api-gateway"
    wall_clock.advance(60)
    refused(callers, first)


def test_a_users_token_on_an_internal_route_is_refused(callers, secret, issuer):
    refused(callers, issuer.token())
    key = SharedSecret(secret, kid=SERVICE_KID).signing_key
    refused(callers, sign(issuer.claims(aud="user-service", iss="42"), key))


@pytest.mark.parametrize("change", [{"alg": "ES256"}, {"kid": "shared"}])
def test_a_header_that_names_another_key_is_refused_even_with_a_good_signature(callers, issuer, change):
    header = {"alg": "HS256", "typ": "service+jwt", "kid": SERVICE_KID}
    claims = issuer.claims(aud="user-service", iss="a", sub="a", exp=int(issuer.clock()) + 300)
    assert callers.verify(issuer.token(header, claims)) == "a"
    refused(callers, issuer.token({**header, **change}, claims))


def test_a_token_whose_maker_and_subject_differ_or_that_lives_too_long_is_refused(callers, secret, issuer):
    key = SharedSecret(secret, kid=SERVICE_KID).signing_key
    good = {"aud": "user-service", "iss": "a", "sub": "a"}
    now = int(issuer.clock())
    assert callers.verify(sign(issuer.claims(**good, exp=now + 300), key, TokenKind.SERVICE)) == "a"
    refused(callers, sign(issuer.claims(**good, exp=now + 301), key, TokenKind.SERVICE))
    refused(callers, sign(issuer.claims(**{**good, "sub": "b"}, exp=now + 300), key, TokenKind.SERVICE))


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic eDp5", "Bearer a.b.c", "Bearer \0"])
def test_anything_else_in_the_header_is_refused(callers, header):
    with pytest.raises(Unauthorized):
        callers.authenticate(header)


def test_a_short_secret_stops_the_start():
    with pytest.raises(ValueError, match="32 bytes"):
        ServiceTokens("short", "api-gateway")
    with pytest.raises(ValueError, match="32 bytes"):
        ServiceCallers("short", "user-service")
