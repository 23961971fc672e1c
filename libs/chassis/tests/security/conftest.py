"""Keys made anew for every test, and an issuer of tokens, honest or not."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from chassis.security import SharedSecret, TokenVerifier

ISSUER, AUDIENCE = "user-service", "notifications"


@pytest.fixture
def secret() -> str:
    return secrets.token_hex(32)


@dataclass(frozen=True)
class Issuer:
    """Makes tokens from any header and payload, signed with HMAC-SHA256 and `secret`."""

    secret: str
    clock: Callable[[], float]

    def claims(self, **changes):
        """Good claims, with changes; a change to None takes the claim out."""
        now = int(self.clock())
        good = {"iss": ISSUER, "sub": "42", "aud": AUDIENCE, "iat": now, "exp": now + 600, "jti": "token-1"}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(self, header=None, payload=None, secret=None):
        header = {"alg": "HS256", "typ": "access+jwt", "kid": "shared"} if header is None else header
        signed = f"{segment(header)}.{segment(self.claims() if payload is None else payload)}"
        signature = hmac.new((secret or self.secret).encode(), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{segment(signature)}"


def segment(content):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture
def wall_clock(clock):
    clock.now = 1_800_000_000.0
    return clock


@pytest.fixture
def issuer(secret, wall_clock) -> Issuer:
    return Issuer(secret, wall_clock)


@pytest.fixture
def verifier(secret, wall_clock) -> TokenVerifier:
    return TokenVerifier([SharedSecret(secret)], issuer=ISSUER, audience=AUDIENCE, clock=wall_clock)
