"""FCM HTTP v1: `POST /v1/projects/{project}/messages:send`, one device a call."""

import re

import httpx2

from chassis.correlation import CORRELATION_HEADER
from contracts.recipients import PushToken
from delivery.channel import Envelope
from delivery.outcomes import Ambiguous, Outcome, Permanent, ProviderDown
from push_service.senders.fcm_answers import FcmAnswer, outcome_of
from push_service.senders.fcm_message import LARGEST_PAYLOAD, fcm_message
from push_service.senders.google_auth import AccessTokens, NoAccessToken
from templating import RenderedPush

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 60.0  # Google's front ends keep idle connections longer: they should not be the ones to close
NOT_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_HEADER_SAFE = re.compile(r"[\x21-\x7e]{1,128}")


def fcm_client(*, timeout_seconds: float, connections: int) -> httpx2.AsyncClient:
    """Keeps a connection for every attempt that may be in flight. Nothing in the environment redirects it."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
        limits=httpx2.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=IDLE_SECONDS
        ),
        follow_redirects=False,
        trust_env=False,
    )


class FcmSender:
    """Sends as the service account behind `tokens`, for the project of `send_url`. Owns `http` and `tokens`."""

    def __init__(self, http: httpx2.AsyncClient, tokens: AccessTokens, *, send_url: str) -> None:
        self._http = http
        self._tokens = tokens
        self._send_url = send_url

    async def send(self, content: RenderedPush, device: PushToken, envelope: Envelope) -> Outcome:
        message = fcm_message(content, device.token, envelope)
        if message.payload_bytes > LARGEST_PAYLOAD:
            return Permanent("payload_too_large", f"{message.payload_bytes} bytes")
        body = message.request_body()
        try:
            first, access = await self._attempt(body, envelope)
            if not isinstance(first, FcmAnswer) or not first.expired_access:
                return _settled(first)
            self._tokens.forget(access)  # ended before its time; FCM did not take the message
            second, _ = await self._attempt(body, envelope)
        except NoAccessToken as error:
            return error.outcome
        return _settled(second)

    async def check(self) -> None:
        return

    async def close(self) -> None:
        await self._tokens.close()
        await self._http.aclose()

    async def _attempt(self, body: bytes, envelope: Envelope) -> tuple[FcmAnswer | Ambiguous | ProviderDown, str]:
        """FCM's answer or why there is none, and the access token that was shown. Raises NoAccessToken."""
        access = await self._tokens.get()
        headers = {"Authorization": f"Bearer {access}", "Content-Type": "application/json"}
        if _HEADER_SAFE.fullmatch(envelope.correlation_id):
            headers[CORRELATION_HEADER] = envelope.correlation_id
        return await self._post(body, headers), access

    async def _post(self, body: bytes, headers: dict[str, str]) -> FcmAnswer | Ambiguous | ProviderDown:
        wire = _Wire()
        try:
            response = await self._http.post(
                self._send_url, content=body, headers=headers, extensions={"trace": wire.note}
            )
        except NOT_CONNECTED as error:
            return ProviderDown("unreachable", type(error).__name__)
        except httpx2.RequestError as error:
            if wire.cut_in_headers:
                return ProviderDown("unreachable", type(error).__name__)
            return Ambiguous("no_answer", type(error).__name__)
        return FcmAnswer.read(response)


class _Wire:
    """Watches a request being written: when not even its headers went out whole, no server has it."""

    def __init__(self) -> None:
        self.cut_in_headers = False

    async def note(self, event: str, _details: object) -> None:
        if event == "http11.send_request_headers.failed":
            self.cut_in_headers = True


def _settled(answer: FcmAnswer | Ambiguous | ProviderDown) -> Outcome:
    return outcome_of(answer) if isinstance(answer, FcmAnswer) else answer
