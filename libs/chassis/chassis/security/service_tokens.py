"""The tokens that services send each other on internal routes."""

import time
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature

from chassis.errors import Unauthorized
from chassis.process.ttl_memory import TtlMemory
from chassis.security.credentials import bearer_of
from chassis.security.jwt import TokenKind, sign_for_service, take_apart
from chassis.security.service_keys import ServiceKey, verification_key
from chassis.security.tokens import Claims, check_claims, read_claims

LIFETIME_SECONDS = 300
RENEW_SECONDS = 60  # before expiry: a token must not expire on its way
TOLERATED_SECONDS = 5.0  # tolerated difference between two clocks; a smaller one is the network's delay
REMEMBERED_TOKENS = 1_000  # a calling process has one at a time


class ServiceTokens:
    """Issues the tokens that the key's service sends to other services."""

    def __init__(self, key: ServiceKey, *, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        self._ahead = 0.0  # how far our clock is ahead of the other service's
        self._issued: dict[str, tuple[str, int]] = {}

    def set_clock(self, others: float) -> bool:
        """Adapts to the clock of a service that refused a token. `others` is its time now, in seconds since the epoch.

        Returns whether this changed anything. It is safe: the other side still checks by its own clock.
        """
        ahead = self._clock() - others
        if abs(ahead - self._ahead) <= TOLERATED_SECONDS:
            return False
        self._ahead = ahead
        self._issued.clear()
        return True

    def issue(self, audience: str) -> str:
        """A token for the service `audience`, valid for one to five more minutes."""
        token, expires_at = self._issued.get(audience, ("", 0))
        now = int(self._clock() - self._ahead)
        if now >= expires_at - RENEW_SECONDS:
            expires_at = now + LIFETIME_SECONDS
            service = self._key.service
            claims = {"iss": service, "sub": service, "aud": audience, "iat": now, "exp": expires_at}
            token = sign_for_service(claims, self._key)
            self._issued[audience] = (token, expires_at)
        return token


class ServiceCallers:
    """Identifies the services that may call `audience`'s internal routes.

    `public_keys` maps a key to the service that owns it.

    A verified token is cached, because a signature check costs 0.1 ms per call.
    """

    def __init__(
        self, public_keys: Mapping[str, str], audience: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = {public: (service, verification_key(public)) for public, service in public_keys.items()}
        self._audience = audience
        self._clock = clock
        self._verified: TtlMemory[str, Claims] = TtlMemory(REMEMBERED_TOKENS, LIFETIME_SECONDS)

    def authenticate(self, authorization: str | None) -> str:
        """The calling service's name, from an Authorization header. Raises Unauthorized."""
        return self.verify(bearer_of(authorization))

    def verify(self, token: str) -> str:
        """The calling service's name. Raises Unauthorized, also for a user's access token."""
        claims = self._verified.get(token, None)
        if claims is None:
            claims = self._signed_claims(token)
            self._verified.put(token, claims)
        check_claims(claims, issuer=claims.subject, audience=self._audience, now=self._clock())
        return claims.subject

    def _signed_claims(self, token: str) -> Claims:
        """The claims, if the key that signed belongs to the token's subject: a service can only speak for itself."""
        unchecked = take_apart(token, TokenKind.SERVICE)
        owner, key = self._keys.get(unchecked.kid, (None, None))
        if key is None:
            raise Unauthorized
        try:
            key.verify(unchecked.signature, unchecked.signed)
        except InvalidSignature:
            raise Unauthorized from None
        claims = read_claims(unchecked.payload, TokenKind.SERVICE)
        if claims.subject != owner or claims.expires_at - claims.issued_at > LIFETIME_SECONDS:
            raise Unauthorized
        return claims
