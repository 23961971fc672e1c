"""The token with which we call APNs: an ES256 JSON Web Token of the team's key.

Source: developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from push_service.senders.es256 import SigningKey

RENEW_SECONDS = 40 * 60  # Apple refuses tokens older than 60 minutes, and more than one new token in 20 minutes


@dataclass(frozen=True)
class ApnsKey:
    """The key of a team at Apple, with the ids that Apple shows beside it."""

    signing: SigningKey
    key_id: str
    team_id: str


class ProviderToken:
    """One token for all requests. `clock` is Unix time."""

    def __init__(self, key: ApnsKey, *, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0

    def get(self) -> str:
        if self._clock() >= self._renew_at:
            now = int(self._clock())
            self._token = self._key.signing.token({"iss": self._key.team_id, "iat": now}, {"kid": self._key.key_id})
            self._renew_at = now + RENEW_SECONDS
        return self._token

    def forget(self, token: str) -> None:
        """APNs says that `token` has expired: the next `get` makes another one, unless another attempt has done so."""
        if token == self._token:
            self._renew_at = 0.0
