import base64
from secrets import token_urlsafe

import pytest

from chassis.errors import Unauthorized
from chassis.security import ServiceCallers, ServiceTokens, SharedSecret, sign
from chassis.security.jwt import sign_for_service
from chassis.security.service_keys import ServiceKey

GATEWAY, WORKER = (ServiceKey(service, token_urlsafe(32)) for service in ("api-gateway", "email-service"))


@pytest.fixture
def tokens(wall_clock):
    return ServiceTokens(GATEWAY, clock=wall_clock)


def callers_who_know(clock, *keys):
    return ServiceCallers({key.public: key.service for key in keys}, "user-service", clock=clock)


@pytest.fixture
def callers(wall_clock):
    return callers_who_know(wall_clock, GATEWAY, WORKER)


@pytest.fixture
def signed(issuer):
    """A token with any claims."""

    def make(key=GATEWAY, **changes):
        usual = {"aud": "user-service", "iss": key.service, "sub": key.service, "exp": int(issuer.clock()) + 300}
        return sign_for_service(issuer.claims(**{**usual, **changes}), key)

    return make


def refused(callers, token):
    with pytest.raises(Unauthorized):
        callers.verify(token)


def test_a_service_is_recognised(tokens, callers):
    token = tokens.issue("user-service")
    assert callers.verify(token) == "api-gateway"
    assert callers.authenticate(f"Bearer {token}") == "api-gateway"


def test_now_by_the_real_clock():
    callers = ServiceCallers({GATEWAY.public: GATEWAY.service}, "user-service")
    assert callers.verify(ServiceTokens(GATEWAY).issue("user-service")) == "api-gateway"


def test_a_token_for_another_service_is_refused_however_often_it_comes(tokens, callers):
    for _ in range(2):
        refused(callers, tokens.issue("template-service"))


def test_a_service_cannot_pose_as_another(callers, signed):
    assert callers.verify(signed(WORKER)) == "email-service"
    refused(callers, signed(WORKER, iss="api-gateway", sub="api-gateway"))
    refused(callers, signed(WORKER, iss="api-gateway"))
    unsigned = signed(GATEWAY).rpartition(".")[0]
    signature = base64.urlsafe_b64encode(WORKER.sign(unsigned.encode())).rstrip(b"=").decode()
    refused(callers, f"{unsigned}.{signature}")


def test_a_key_that_is_not_known_is_refused(callers, wall_clock):
    refused(
        callers, ServiceTokens(ServiceKey("api-gateway", token_urlsafe(32)), clock=wall_clock).issue("user-service")
    )


def test_a_key_is_changed_without_a_moment_in_which_it_is_refused(wall_clock):
    """First both keys are accepted, then the new one signs, then the old one is removed."""
    new = ServiceKey("api-gateway", token_urlsafe(32))
    by_old, by_new = (ServiceTokens(key, clock=wall_clock).issue("user-service") for key in (GATEWAY, new))
    overlapping = callers_who_know(wall_clock, GATEWAY, new)
    assert overlapping.verify(by_old) == overlapping.verify(by_new) == "api-gateway"
    afterwards = callers_who_know(wall_clock, new)
    assert afterwards.verify(by_new) == "api-gateway"
    refused(afterwards, by_old)


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
    refused(callers, sign(issuer.claims(aud="user-service", iss="42"), SharedSecret(secret).signing_key))


@pytest.mark.parametrize("kid", ["shared", "api-gateway"])
def test_a_shared_secret_signs_for_no_service(callers, issuer, kid):
    """A shared secret, as in the previous release, is refused; so is the public key used as a secret."""
    claims = issuer.claims(aud="user-service", iss="api-gateway", sub="api-gateway", exp=int(issuer.clock()) + 300)
    for alg, name in (("HS256", kid), ("EdDSA", kid), ("HS256", GATEWAY.public), ("EdDSA", GATEWAY.public)):
        refused(callers, issuer.token({"alg": alg, "typ": "service+jwt", "kid": name}, claims, GATEWAY.public))


def test_a_token_whose_maker_and_subject_differ_or_that_lives_too_long_is_refused(callers, signed, issuer):
    now = int(issuer.clock())
    assert callers.verify(signed()) == "api-gateway"
    refused(callers, signed(exp=now + 301))
    refused(callers, signed(iss="email-service"))


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic eDp5", "Bearer a.b.c", "Bearer \0"])
def test_anything_else_in_the_header_is_refused(callers, header):
    with pytest.raises(Unauthorized):
        callers.authenticate(header)
