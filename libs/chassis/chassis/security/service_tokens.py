"""The tokens that services show each other on internal routes."""

import time
from collections.abc import Callable

from chassis.errors import Unauthorized
from chassis.security.claims import check_claims, read_claims
from chassis.security.credentials import bearer_of
from chassis.security.jwt import TokenKind, sign, take_apart
from chassis.security.keys import SharedSecret

LIFETIME_SECONDS = 300
RENEW_SECONDS = 60  # before expiry: a token must not expire on its way
TOLERATED_SECONDS = 5.0  # between two clocks; less is the network
SERVICE_KID = "service"


class ServiceTokens:
    """Tokens that `service` shows to others. `secret` is shared by all services, of at least 32 bytes (ValueError)."""

    def __init__(self, secret: str, service: str, *, clock: Callable[[], float] = time.time) -> None:
        self._key = SharedSecret(secret, kid=SERVICE_KID).signing_key
        self._service = service
        self._clock = clock
        self._ahead = 0.0  # of our clock before the others'
        self._issued: dict[str, tuple[str, int]] = {}

    def set_clock(self, others: float) -> bool:
        """Goes by the clock of the service that refused a token: `others` is its time now, in seconds since the epoch.

        Whether that changes anything. It lets nobody in: the other side still checks by its own clock.
        """
        ahead = self._clock() - others
        if abs(ahead - self._ahead) <= TOLERATED_SECONDS:
            return False
        self._ahead = ahead
        self._issued.clear()
        return True

    def issue(self, audience: str) -> str:
        """A token for the service `audience`, valid for one to five minutes more."""
        token, expires_at = self._issued.get(audience, ("", 0))
        now = int(self._clock() - self._ahead)
        if now >= expires_at - RENEW_SECONDS:
            expires_at = now + LIFETIME_SECONDS
            claims = {"iss": self._service, "sub": self._service, "aud": audience, "iat": now, "exp": expires_at}
            token = sign(claims, self._key, TokenKind.SERVICE)
            self._issued[audience] = (token, expires_at)
        return token


class ServiceCallers:
    """Recognises the services that may call `audience`'s internal routes."""

    def __init__(self, secret: str, audience: str, *, clock: Callable[[], float] = time.time) -> None:
        self._key = SharedSecret(secret, kid=SERVICE_KID).verification_key
        self._audience = audience
        self._clock = clock

    def authenticate(self, authorization: str | None) -> str:
        """The calling service's name, from an Authorization header. Raises Unauthorized."""
        return self.verify(bearer_of(authorization))

    def verify(self, token: str) -> str:
        """The calling service's name. Raises Unauthorized, for a user's access token too."""
        unchecked = take_apart(token, TokenKind.SERVICE)
        ours = unchecked.algorithm == self._key.algorithm and unchecked.kid == SERVICE_KID
        if not ours or not self._key.verifies(unchecked.signed, unchecked.signature):
            raise Unauthorized
        claims = read_claims(unchecked.payload, TokenKind.SERVICE)
        check_claims(claims, issuer=claims.subject, audience=self._audience, now=self._clock())
        if claims.expires_at - claims.issued_at > LIFETIME_SECONDS:
            raise Unauthorized
        return claims.subject


def verify_service_token(token: str, secret: str, audience: str) -> str:
    """The calling service's name. Raises Unauthorized. A service that checks often keeps a `ServiceCallers`."""
    return ServiceCallers(secret, audience).verify(token)
