"""The identity with which we call push services: VAPID (RFC 8292)."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from push_service.senders.es256 import SigningKey

LIFETIME_SECONDS = 12 * 3600  # RFC 8292 allows 24 hours; clocks differ
RENEW_SECONDS = 6 * 3600  # before expiry
MAX_AUDIENCES = 1_000  # users choose the endpoints, so their origins must not fill the memory


class Vapid:
    """One signed header for each push service, used until it is half expired. `clock` is Unix time."""

    def __init__(self, key: SigningKey, subject: str, *, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._subject = subject
        self._clock = clock
        self._signed: dict[str, tuple[float, str]] = {}

    def authorization(self, endpoint: str) -> str:
        """The value of the header Authorization for a request to `endpoint`."""
        parts = urlsplit(endpoint)
        audience = f"{parts.scheme}://{parts.netloc}"
        renew_at, header = self._signed.get(audience, (0.0, ""))
        return header if self._clock() < renew_at else self._sign(audience)

    def _sign(self, audience: str) -> str:
        expires = int(self._clock()) + LIFETIME_SECONDS
        token = self._key.token({"aud": audience, "exp": expires, "sub": self._subject})
        header = f"vapid t={token}, k={self._key.public}"
        if len(self._signed) >= MAX_AUDIENCES:
            self._signed.clear()
        self._signed[audience] = (expires - RENEW_SECONDS, header)
        return header
