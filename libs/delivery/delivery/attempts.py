"""One attempt: everything between a claim and its outcome."""

import time
from typing import Generic

import structlog

from chassis.breaker import CircuitOpen
from chassis.errors import Unavailable
from chassis.http_client import DependencyUnavailable
from chassis.tracing import OFF, Tracing
from contracts.messages import NotificationMessage
from delivery.channel import Address, Content, DeliveryChannel, Envelope, Target
from delivery.counting import DeliveryMetrics
from delivery.ledger import Claimed, Ledger
from delivery.outcomes import Ambiguous, Expired, Outcome, Permanent, ProviderDown, RetryLater, Unknown
from delivery.slots import Slots, settle
from delivery.spans import sending, tell
from delivery.template_store import TemplateGone, TemplateStore
from templating import TemplateError

log = structlog.get_logger()


class Attempts(Generic[Address, Content]):
    """Screens, renders, marks `sending` in the ledger, sends. Whatever goes wrong on the way is an outcome."""

    def __init__(
        self,
        channel: DeliveryChannel[Address, Content],
        *,
        ledger: Ledger,
        templates: TemplateStore,
        slots: Slots,
        metrics: DeliveryMetrics,
        tracing: Tracing = OFF,
    ) -> None:
        self._channel = channel
        self._ledger = ledger
        self._templates = templates
        self._slots = slots
        self._tracing = tracing
        self._metrics = metrics

    async def make(self, claimed: Claimed, target: Target[Address], message: NotificationMessage) -> Outcome | None:
        """None: the delivery was taken from us before it was sent."""
        once = message.delivery_guarantee == "at_most_once"
        if refused := await self._screen(claimed, target, once=once):
            return refused
        content = await self._render(message)
        if isinstance(content, Permanent | RetryLater | ProviderDown):
            return content
        envelope = Envelope(message.notification_id, message.correlation_id, message.priority)
        try:
            outcome = await self._send(content, target, envelope, attempt=claimed.attempts + 1)
        except CircuitOpen as error:
            return ProviderDown("provider_resting", after_seconds=error.retry_after)
        if isinstance(outcome, Ambiguous) and once:
            return Unknown(outcome.code, outcome.detail, attempted=True)
        return outcome

    async def _screen(self, claimed: Claimed, target: Target[Address], *, once: bool) -> Outcome | None:
        """What ends a delivery before anything is sent."""
        if claimed.doubtful and once:
            return Unknown("worker_lost")
        if claimed.expired:
            return Expired()
        return await self._channel.screen(target)

    async def _render(self, message: NotificationMessage) -> Content | Permanent | RetryLater | ProviderDown:
        try:
            return self._channel.render(await self._templates.get(message.template), message)
        except TemplateGone:
            return Permanent("template_gone")
        except TemplateError as error:
            return Permanent("render_failed", error.message)
        except DependencyUnavailable as error:
            return ProviderDown("template_unavailable", error.message)
        except Exception:  # a defect in rendering: it must cost attempts, or the message would come again for ever
            log.exception("delivery.rendering_failed")
            return RetryLater("rendering_failed")

    async def _send(
        self, content: Content, target: Target[Address], envelope: Envelope, *, attempt: int
    ) -> Outcome | None:
        async with self._slots.take(envelope.priority) as permit:
            try:
                ours = await self._ledger.mark_sending(
                    (envelope.notification_id, target.key), priority=envelope.priority
                )
            except Unavailable:  # perhaps marked, certainly not sent: say so, or it would look ambiguous for ever
                return ProviderDown("ledger_unavailable")
            if not ours:
                return None
            with sending(self._tracing, self._channel.name, envelope, attempt=attempt) as span:
                outcome = await self._call(content, target, envelope)
                tell(span, outcome)
            settle(permit, outcome)
            return outcome

    async def _call(self, content: Content, target: Target[Address], envelope: Envelope) -> Outcome:
        began = time.perf_counter()
        try:
            return await self._channel.send(content, target, envelope)
        except Exception:  # a defect in a sender: without this the row would say `sending` until this process ends
            log.exception("delivery.sender_failed")
            return Ambiguous("sender_failed")
        finally:
            self._metrics.asked_provider(time.perf_counter() - began)
