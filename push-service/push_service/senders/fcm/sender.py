"""Sends over FCM HTTP v1: `POST /v1/projects/{project}/messages:send`, one device, topic or condition per call."""

import re
import time
from collections.abc import Awaitable, Callable
from functools import partial

import orjson

from chassis.observability.correlation import CORRELATION_HEADER
from contracts.recipients import PushToken
from delivery.access_token import AccessToken
from delivery.channel import DeliveryContext
from delivery.outcomes import Ambiguous, Expired, Outcome, Permanent, ProviderDown
from push_service.senders.fcm.answers import FcmAnswer, outcome_of
from push_service.senders.fcm.google_auth import NoAccessToken
from push_service.senders.fcm.message import fcm_message
from push_service.senders.http_client import HttpClient, NoAnswer, NotSent
from templating import RenderedPush

_HEADER_SAFE = re.compile(r"[\x21-\x7e]{1,128}")


class FcmSender:
    """Sends as the service account of `token`, to `send_url` of its project. Owns `http` and `token`."""

    def __init__(self, http: HttpClient, token: AccessToken, *, send_url: str) -> None:
        self._http = http
        self._token = token
        self.send_url = send_url

    async def send(self, content: RenderedPush, device: PushToken, context: DeliveryContext) -> Outcome:
        return await self._authorized(partial(self._attempt, content, device, context))

    async def dry_run(self, token: str) -> Outcome:
        """The outcome of a message to the device with this token, without delivering it."""
        body = orjson.dumps({"validate_only": True, "message": {"token": token}})
        return await self._authorized(lambda access: self._post(body, _headers(access)))

    async def check(self) -> None:
        return

    async def close(self) -> None:
        await self._token.close()
        await self._http.close()

    async def _authorized(self, attempt: Callable[[str], Awaitable[FcmAnswer | Outcome]]) -> Outcome:
        """The outcome of `attempt` with an access token. If the token has expired early, FCM did nothing, and `attempt` is
        repeated with a new one.
        """
        try:
            access = await self._token.get()
            first = await attempt(access)
            if not isinstance(first, FcmAnswer) or not first.expired_access:
                return _outcome(first)
            self._token.forget(access)
            return _outcome(await attempt(await self._token.get()))
        except NoAccessToken as error:
            return error.outcome

    async def _attempt(
        self, content: RenderedPush, device: PushToken, context: DeliveryContext, access: str
    ) -> FcmAnswer | Outcome:
        """FCM's response, or the reason why there is none."""
        now = time.time()  # after fetching the access token, which may have taken seconds
        if context.expires_at is not None and context.expires_at.timestamp() <= now:
            return Expired()
        message = fcm_message(content, device, context, now=now)
        if message.payload_bytes > message.max_payload_bytes:
            return Permanent("payload_too_large", f"{message.payload_bytes} bytes")
        headers = _headers(access)
        if _HEADER_SAFE.fullmatch(context.correlation_id):
            headers[CORRELATION_HEADER] = context.correlation_id
        return await self._post(message.request_body, headers)

    async def _post(self, body: bytes, headers: dict[str, str]) -> FcmAnswer | Ambiguous | ProviderDown:
        try:
            return FcmAnswer.read(await self._http.post(self.send_url, body, headers))
        except NoAnswer as lost:
            return Ambiguous("no_answer", lost.reason)
        except NotSent as failure:
            return ProviderDown("unreachable", failure.reason)


def _headers(access: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access}", "Content-Type": "application/json"}


def _outcome(answer: FcmAnswer | Outcome) -> Outcome:
    return outcome_of(answer) if isinstance(answer, FcmAnswer) else answer
