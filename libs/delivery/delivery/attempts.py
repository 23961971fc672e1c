"""One attempt: everything between a claim and its outcome."""

import time
from collections.abc import Callable
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
from delivery.outcomes import (
    Ambiguous,
    Defect,
    Expired,
    Outcome,
    Permanent,
    ProviderDown,
    Unknown,
    in_doubt,
)
from delivery.slots import Slots, settle
from delivery.spans import sending, tell
from delivery.template_store import TemplateGone, TemplateStore
from templating import TemplateError

log = structlog.get_logger()


class Attempts(Generic[Address, Content]):
    """Screens, renders, marks `sending` in the ledger, sends. Whatever goes wrong on the way is an outcome."""

    def __init__(  # noqa: PLR0913 - the composition root hands every part in
        self,
        channel: DeliveryChannel[Address, Content],
        *,
        ledger: Ledger,
        templates: TemplateStore,
        slots: Slots,
        metrics: DeliveryMetrics,
        lease_seconds: float,
        tracing: Tracing = OFF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lease_seconds`: for so long others certainly leave alone what the ledger says that we are sending."""
        self._channel = channel
        self._ledger = ledger
        self._templates = templates
        self._slots = slots
        self._tracing = tracing
        self._metrics = metrics
        self._lease_seconds = lease_seconds
        self._clock = clock

    async def make(
        self, claimed: Claimed, key: str, target: Target[Address], message: NotificationMessage
    ) -> Outcome | None:
        """`key` names the delivery in the ledger. None: it was taken from us before it was sent."""
        once = message.delivery_guarantee == "at_most_once"
        if refused := await self._screen(claimed, target, once=once):
            return refused
        content = await self._render(message)
        if isinstance(content, Permanent | Defect | ProviderDown):
            return content
        envelope = Envelope(message.notification_id, message.correlation_id, message.priority, message.expires_at)
        try:
            outcome = await self._send(content, key, target, envelope, claimed)
        except CircuitOpen as error:
            return ProviderDown("provider_resting", after_seconds=error.retry_after)
        if isinstance(outcome, Ambiguous) and once:
            return Unknown(outcome.code, outcome.detail, attempted=True)
        return outcome

    async def _screen(self, claimed: Claimed, target: Target[Address], *, once: bool) -> Outcome | None:
        """What ends a delivery before anything is sent."""
        if claimed.doubtful and once:
            return Unknown("worker_lost")
        refused = Expired() if claimed.expired else await self._channel.screen(target)
        return in_doubt(refused) if refused is not None and claimed.doubtful else refused

    async def _render(self, message: NotificationMessage) -> Content | Permanent | Defect | ProviderDown:
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
            return Defect("rendering_failed")

    async def _send(
        self, content: Content, key: str, target: Target[Address], envelope: Envelope, claimed: Claimed
    ) -> Outcome | None:
        async with self._slots.take(envelope.priority) as permit:
            if envelope.expires_at is not None and envelope.expires_at <= claimed.now():  # while it waited for its turn
                return in_doubt(Expired()) if claimed.doubtful else Expired()
            asked = self._clock()
            try:
                ours = await self._ledger.mark_sending((envelope.notification_id, key), priority=envelope.priority)
            except Unavailable:  # perhaps marked, certainly not sent: say so, or it would look ambiguous for ever
                return ProviderDown("ledger_unavailable")
            if not ours:
                return None
            if self._clock() - asked > self._lease_seconds:  # this process stood still: it may count as dead by now
                return ProviderDown("lease_ran_out")
            with sending(self._tracing, self._channel.name, envelope, attempt=claimed.attempts + 1) as span:
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
