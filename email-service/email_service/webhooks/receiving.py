"""A provider's webhook: checked, read, and each of its events recorded once."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Literal, get_args

import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.errors import NotFound, Unauthorized, Unprocessable
from chassis.server.runtime import Runtime
from contracts.addresses import fingerprint
from email_service.bounces.processing import ReportAboutCopy, by_return_path
from email_service.bounces.reading import BounceReport
from email_service.bounces.recording import BounceRecorder, Match
from email_service.bounces.return_path import RECIPIENT_DIGITS, BounceToken, ReturnPath
from email_service.repositories import bounces
from email_service.repositories import webhooks as repository
from email_service.webhooks.events import ProviderEvent, SignatureRefused, SignatureReused, Webhook, WebhookRequest

log = structlog.get_logger()

WebhookResult = Literal[
    "hard", "soft", "complained", "delayed", "delivered", "ignored", "repeated", "unmatched",
    "refused", "outdated", "reused", "unreadable", "unconfigured",
]  # fmt: skip
RESULTS: tuple[WebhookResult, ...] = get_args(WebhookResult)
PROVIDERS = ("ses", "sendgrid", "mailgun", "postmark")


class WebhookReceiver:
    """`receive` returns after the commits. An event that is received again changes nothing. Raises DatabaseUnavailable."""

    def __init__(
        self,
        runtime: Runtime,
        recorder: BounceRecorder,
        return_path: ReturnPath | None,
        webhooks: Mapping[str, Webhook],
    ) -> None:
        """`webhooks`: by the provider's name in the route. All others are unknown here."""
        self._database = runtime.database
        self._recorder = recorder
        self._return_path = return_path
        self._webhooks = webhooks
        self._counter = Counter(
            "webhook_events_total",
            "Events of e-mail providers, and requests that were refused",
            ["provider", "result"],
            registry=runtime.registry,
        )
        for provider in PROVIDERS:
            for result in RESULTS if provider in webhooks else ("unconfigured",):
                self._counter.labels(provider, result)

    async def receive(self, provider: str, request: WebhookRequest) -> int:
        """The number of events. Raises NotFound, SignatureRefused, Unauthorized, Unprocessable, Unavailable."""
        webhook = self._webhooks.get(provider)
        if webhook is None:
            if provider in PROVIDERS:  # other names are strangers' guesses
                self._refused(provider, "unconfigured")
            raise NotFound
        try:
            events = await webhook.read(request)
            for event in events:
                self._counter.labels(provider, await self._take(provider, event)).inc()
        except SignatureRefused as error:
            self._refused(provider, error.counted_as)
            raise
        except Unauthorized:
            self._refused(provider, "refused")
            raise
        except Unprocessable:
            self._refused(provider, "unreadable")
            raise
        return len(events)

    def _refused(self, provider: str, result: WebhookResult) -> None:
        log.warning("webhook.refused", provider=provider, result=result)
        self._counter.labels(provider, result).inc()

    async def _take(self, provider: str, event: ProviderEvent) -> WebhookResult:
        if event.report is None and event.token is None:
            return "ignored"
        async with self._database.begin() as connection:
            if not await _is_new(connection, provider, event):
                return "repeated"
            if event.report is None:
                return "ignored"
            match = await self._match(connection, event.report)
            result = None if match is None else await self._recorder.record(connection, event.report, match)
        if result is None:
            log.info("webhook.unmatched", provider=provider, kind=event.report.kind)
            self._recorder.count("unmatched")
            return "unmatched"
        self._recorder.count(result)
        return result

    async def _match(self, connection: AsyncConnection, report: BounceReport) -> Match | None:
        """By our return path, by an id of ours that the provider echoes, or by the id that the provider gave.

        The provider says whose address it is: it has signed the event. A notification that the ledger has deleted is matched,
        too: only its address is suppressed.
        """
        address = next(iter(report.addresses), None)
        try:
            match = by_return_path(report, "", self._return_path)
        except ReportAboutCopy:
            return Match(None, address)
        if match is not None:
            return match
        identity = next(iter(report.message_ids), None)
        if identity is None:
            identity = await repository.by_provider_id(connection, report.provider_ids)
        if identity is None:
            return None
        if address is not None and await bounces.is_of_another(
            connection, identity, fingerprint(address)[:RECIPIENT_DIGITS]
        ):
            return Match(None, address)
        return Match(BounceToken(identity, ""), address)


async def _is_new(connection: AsyncConnection, provider: str, event: ProviderEvent) -> bool:
    """Raises SignatureReused if the event's signature came with another body before."""
    token = event.token
    if token is not None:
        known = await repository.remember(connection, _key(provider, "token", token.token), token.digest)
        if known == "other":
            raise SignatureReused
        if known == "repeated":
            return False
    return await repository.remember(connection, _key(provider, "event", event.id)) == "new"


def _key(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()
