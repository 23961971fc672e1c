"""An OAuth 2.0 access token for a provider, renewed before it expires."""

import time
from collections.abc import Awaitable, Callable
from typing import Annotated

from pydantic import BaseModel, Field

from chassis.process.single_flight import SingleFlight
from delivery.channel import NotReady

PAUSE_SECONDS = 10.0  # between attempts to renew a token that is still valid
REFUSALS = frozenset({400, 401, 403})  # answers by which a token endpoint refuses the account


class Grant(BaseModel):
    """A token endpoint's answer (RFC 6749, section 5.1). `expires_in` is in seconds."""

    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    expires_in: Annotated[float, Field(gt=0)] = 3600.0


class AccessToken:
    """One access token, shared by all attempts in progress. Only one of them renews it at a time.

    `fetch` asks for a new one, and raises NotReady. A token is renewed `renew_seconds` before it expires, or after half of
    its time when that is shorter. `clock` is monotonic.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Grant]],
        *,
        renew_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._renew_seconds = renew_seconds
        self._clock = clock
        self._token = ""
        self._renew_at = self._expires_at = float("-inf")
        self._renewal: SingleFlight[None, str] = SingleFlight()

    async def get(self) -> str:
        """Raises what `fetch` raises, unless the current token is still valid."""
        if self._clock() < self._renew_at:
            return self._token
        return await self._renewal.run(None, self._renew)

    def forget(self, token: str) -> None:
        """The provider refused `token`: the next `get` fetches a new one, unless another attempt has done so already."""
        if token == self._token:
            self._renew_at = self._expires_at = float("-inf")

    async def close(self) -> None:
        await self._renewal.close()

    async def _renew(self) -> str:
        try:
            grant = await self._fetch()
        except NotReady:
            if self._clock() >= self._expires_at:
                raise
            self._renew_at = min(self._clock() + PAUSE_SECONDS, self._expires_at)
            return self._token
        self._token = grant.access_token
        self._expires_at = self._clock() + grant.expires_in
        self._renew_at = self._expires_at - min(self._renew_seconds, grant.expires_in / 2)
        return self._token
