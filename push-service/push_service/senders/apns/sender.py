"""Sends over APNs: `POST /3/device/{token}`, one device per call."""

import re
import time

from contracts.push_payloads import MAX_APNS_BYTES, apns_payload
from contracts.recipients import APNS_TOKEN, PushToken
from delivery.channel import DeliveryContext
from delivery.outcomes import Ambiguous, Expired, Outcome, Permanent, ProviderDown
from push_service.senders.apns.answers import ApnsAnswer, outcome_of
from push_service.senders.apns.http2 import Http2Client
from push_service.senders.apns.message import apns_headers
from push_service.senders.apns.token import ProviderToken
from push_service.senders.http_client import NoAnswer, NotSent
from templating import RenderedPush

_TOKEN = re.compile(APNS_TOKEN)


class ApnsSender:
    """Sends to the app `topic` as the team of `tokens`. Owns `http`."""

    def __init__(self, http: Http2Client, tokens: ProviderToken, *, topic: str) -> None:
        self._http = http
        self._tokens = tokens
        self._topic = topic

    async def send(self, content: RenderedPush, device: PushToken, context: DeliveryContext) -> Outcome:
        if not _TOKEN.fullmatch(device.token):  # it becomes part of the path
            return Permanent("invalid_token", "not a device token", dead_recipient=True)
        payload = apns_payload(content, context)
        if len(payload) > MAX_APNS_BYTES:
            return Permanent("payload_too_large", f"{len(payload)} bytes")
        token = self._tokens.get()
        first = await self._attempt(payload, device, context, token)
        if not isinstance(first, ApnsAnswer) or not first.expired_token:
            return _outcome(first)
        self._tokens.forget(token)  # APNs did not accept the message
        return _outcome(await self._attempt(payload, device, context, self._tokens.get()))

    async def check(self) -> None:
        return

    async def close(self) -> None:
        await self._http.close()

    async def _attempt(
        self, payload: bytes, device: PushToken, context: DeliveryContext, token: str
    ) -> ApnsAnswer | Outcome:
        now = time.time()
        if context.expires_at is not None and context.expires_at.timestamp() <= now:
            return Expired()
        headers = apns_headers(context, topic=self._topic, token=token, now=now)
        try:
            return ApnsAnswer.read(await self._http.post(f"/3/device/{device.token}", payload, headers))
        except NoAnswer as lost:
            return Ambiguous("no_answer", lost.reason)
        except NotSent as failure:
            return ProviderDown("unreachable", failure.reason)


def _outcome(answer: ApnsAnswer | Outcome) -> Outcome:
    return outcome_of(answer) if isinstance(answer, ApnsAnswer) else answer
