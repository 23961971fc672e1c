"""Sends over Web Push: one POST to the endpoint of the browser's subscription."""

import time

from contracts.push_payloads import MAX_WEB_PUSH_BYTES, is_background, push_overrides, web_push_message
from contracts.recipients import PushToken, WebPushKeys
from contracts.web_push import PushServices
from delivery.channel import DeliveryContext
from delivery.outcomes import Ambiguous, Expired, Outcome, Permanent, RetryLater, Suppressed
from push_service.senders.http_client import HttpClient, NoAnswer, NotSent
from push_service.senders.webpush.answers import WebPushAnswer, outcome_of
from push_service.senders.webpush.message import encrypted, headers_for
from push_service.senders.webpush.vapid import Vapid
from templating import RenderedPush


class WebPushSender:
    """Sends as `vapid` to endpoints of `services`, and to no other address. Owns `http`."""

    def __init__(self, http: HttpClient, vapid: Vapid, services: PushServices) -> None:
        self._http = http
        self._vapid = vapid
        self._services = services

    async def send(self, content: RenderedPush, device: PushToken, context: DeliveryContext) -> Outcome:
        if device.keys is None or not self._services.has(device.token):  # users choose endpoints
            return Permanent("endpoint_refused")
        now = time.time()
        if context.expires_at is not None and context.expires_at.timestamp() <= now:
            return Expired()
        if is_background(push_overrides(context)):  # browsers let a site show nothing only a few times
            return Suppressed("background_unsupported")
        message = web_push_message(content, context)
        if len(message) > MAX_WEB_PUSH_BYTES:
            return Permanent("payload_too_large", f"{len(message)} bytes")
        return await self._post(device.token, device.keys, message, context, now)

    async def check(self) -> None:
        return

    async def close(self) -> None:
        await self._http.close()

    async def _post(
        self, endpoint: str, keys: WebPushKeys, message: bytes, context: DeliveryContext, now: float
    ) -> Outcome:
        try:
            body = encrypted(message, keys)
        except ValueError:
            return Permanent("invalid_keys")
        headers = {"Authorization": self._vapid.authorization(endpoint), **headers_for(context, now=now)}
        try:
            return outcome_of(WebPushAnswer.read(await self._http.post(endpoint, body, headers)))
        except NoAnswer as lost:
            return Ambiguous("no_answer", lost.reason)
        except NotSent as failure:  # a user chose this host: other hosts may work
            return RetryLater("unreachable", failure.reason)
