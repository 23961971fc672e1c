"""The gateway's API, through its SDK. All visitors share the connections; each call has its visitor's credentials."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.observability.correlation import outgoing_headers
from chassis.process.single_flight import SingleFlight
from chassis.process.ttl_memory import TtlMemory
from chassis.tls import context_for
from console.sessions import Session, Tokens
from notifications import ApiError, AsyncNotifications, AuthenticationFailed, ConnectionFailed, RetryPolicy
from notifications import Tokens as GivenTokens

TIMEOUT_SECONDS = 10.0
ONCE_MORE = RetryPolicy(max_retries=1, first_pause=0.2, longest_pause=1.0)  # somebody waits for the page
EARLY_SECONDS = 60.0  # a token counts as expired so long before it is: clocks differ, pages take a moment
REMEMBERED_SECONDS = 60.0  # requests that were under way when a token was renewed still have the old one

_address: ContextVar[str] = ContextVar("address", default="")


class ClientAddress:
    """ASGI middleware: remembers whose request this is. The gateway limits logins by the client's address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        _address.set(client[0] if client else "")
        await self._app(scope, receive, send)


async def _add_headers(request: httpx2.Request) -> None:
    request.headers.update(outgoing_headers())
    if address := _address.get():
        request.headers["X-Forwarded-For"] = address


class Gateway:
    """Nothing connects before the first call. Tests give a `transport`."""

    def __init__(self, url: str, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._http = httpx2.AsyncClient(
            trust_env=False,
            verify=context_for(url),
            event_hooks={"request": [_add_headers]},
            transport=transport,
            timeout=TIMEOUT_SECONDS,
        )
        self._renewing: SingleFlight[str, Tokens] = SingleFlight()
        self._renewed: TtlMemory[str, Tokens] = TtlMemory(10_000, REMEMBERED_SECONDS)

    def api(self, session: Session | None = None) -> AsyncNotifications:
        """The API as this visitor may use it; without a session, as a stranger."""
        tokens = session.tokens if session else None
        return AsyncNotifications(
            self._url,
            # Never None together: the SDK would look for a key in the environment.
            api_key=(session.api_key if session else None) or "",
            access_token=tokens.access if tokens else None,
            timeout=TIMEOUT_SECONDS,
            retries=ONCE_MORE,
            http_client=self._http,
        )

    async def download(self, session: Session, path: str, query: Mapping[str, str]) -> httpx2.Response:
        """A file below `/api/v1/`, whose content is still to be read; who reads it closes it. Raises ApiError,
        ConnectionFailed.
        """
        request = self._http.build_request(
            "GET", f"{self._url}/api/v1/{path}", params=query, headers=_credentials(session)
        )
        try:
            answer = await self._http.send(request, stream=True)
            if answer.is_success:
                return answer
            await answer.aread()
        except httpx2.RequestError as lost:
            raise ConnectionFailed("the gateway did not answer") from lost
        raise _refusal(answer)

    async def renew(self, tokens: Tokens) -> Tokens:
        """New tokens. A refresh token works once, so simultaneous requests of one visitor share the call and its result.

        Raises AuthenticationFailed if the session has ended.
        """
        known = self._renewed.get(tokens.refresh, None)
        return known or await self._renewing.run(tokens.refresh, partial(self._renew, tokens.refresh))

    async def _renew(self, refresh: str) -> Tokens:
        made = tokens_of(await self.api().refresh(refresh))
        self._renewed.put(refresh, made)
        return made

    async def ping(self) -> None:
        """For health checks."""
        (await self._http.get(f"{self._url}/health/live", timeout=2)).raise_for_status()

    async def close(self) -> None:
        await self._renewing.close()
        await self._http.aclose()


def _credentials(session: Session) -> Mapping[str, str]:
    if session.tokens:
        return {"Authorization": f"Bearer {session.tokens.access}"}
    return {"X-API-Key": session.api_key or ""}


def _refusal(answer: httpx2.Response) -> ApiError:
    kind = AuthenticationFailed if answer.status_code == 401 else ApiError
    try:
        said = answer.json()
        message, code = str(said["message"]), str(said["error"])
    except (ValueError, KeyError, TypeError):
        message, code = "The file cannot be read now.", "unexpected_answer"
    return kind(message, status=answer.status_code, code=code, headers=answer.headers)


def tokens_of(given: GivenTokens) -> Tokens:
    now = time.time()
    return Tokens(
        access=given.access_token,
        refresh=given.refresh_token,
        renew_at=now + given.expires_in / 2,
        expires_at=now + max(0.0, given.expires_in - EARLY_SECONDS),
    )
