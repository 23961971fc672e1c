"""The span around a provider call: the only one that leaves the system, so no header goes with it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Self

import structlog
from opentelemetry.trace import Span, SpanKind

from chassis.http.client import DependencyUnavailable
from chassis.observability.tracing import OFF, UNTRACED, Tracing, failed, span
from chassis.process.breaker import CircuitOpen, Permit
from contracts.messages import NotificationMessage
from contracts.recipients import Channel
from delivery.admission import Admission
from delivery.channel import Address, Content, DeliveryChannel, DeliveryContext, NotReady, Session, Target
from delivery.ledger import Claimed
from delivery.metrics import DeliveryMetrics
from delivery.outcomes import (
    AccountRefused,
    Ambiguous,
    Defect,
    Expired,
    Outcome,
    Permanent,
    ProviderDown,
    RetryLater,
    Sent,
    Suppressed,
    Unknown,
    in_doubt,
)
from delivery.template_store import TemplateGone, TemplateStore
from templating import TemplateError


def sending(
    tracing: Tracing, channel: Channel, context: DeliveryContext, *, attempt: int
) -> AbstractContextManager[Span]:
    """`send email` or `send push`: the `attempt`-th of a notification, to one recipient, who is not named."""
    if tracing.tracer is None:
        return UNTRACED
    attributes: dict[str, str | int] = {
        "messaging.message.id": str(context.notification_id),
        "notification.type": channel,
        "notification.attempt": attempt,
    }
    return span(tracing.tracer, f"send {channel}", SpanKind.CLIENT, attributes)


def tell(begun: Span, outcome: Outcome) -> None:
    """Writes the outcome, and its code when it is an error; never the provider's words, which may hold an address."""
    if not begun.is_recording():
        return
    begun.set_attribute("notification.outcome", type(outcome).__name__)
    if isinstance(outcome, RetryLater | Permanent | Ambiguous | ProviderDown):
        failed(begun, outcome.code)


# Outcomes for what was sent with a test key: the whole path runs, and no provider hears of it.
#
# What becomes of a delivery stands in the recipient's address or device token, anywhere in it.

OUTCOMES: dict[str, Outcome] = {
    "simulate-bounce": Permanent("simulated_bounce"),
    "simulate-temporary": RetryLater("simulated_temporary"),
    "simulate-no-answer": Ambiguous("simulated_no_answer"),
}


class SimulatedSession:
    """Takes everything, but for the recipients of `OUTCOMES`. Nobody is told that an address or a device is dead."""

    async def send(self, content: object, target: Target[Any], context: DeliveryContext) -> Outcome:  # noqa: ARG002 - a session's
        address = target.address if isinstance(target.address, str) else target.address.token
        for word, outcome in OUTCOMES.items():
            if word in address.lower():
                return outcome
        return Sent(f"simulated-{context.notification_id}")

    def close(self) -> None:
        """There is nothing to give back."""


log = structlog.get_logger()


class Attempts(Generic[Address, Content]):
    """Whatever goes wrong in an attempt is an outcome, never an exception."""

    def __init__(  # noqa: PLR0913 - the composition root hands every part in
        self,
        channel: DeliveryChannel[Address, Content],
        *,
        templates: TemplateStore,
        admission: Admission,
        metrics: DeliveryMetrics,
        lease_seconds: float,
        tracing: Tracing = OFF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lease_seconds`: for so long others certainly leave alone what the ledger says that we are sending."""
        self.channel = channel
        self.admission = admission
        self.tracing = tracing
        self.metrics = metrics
        self.lease_seconds = lease_seconds
        self.clock = clock
        self._templates = templates

    def of(self, message: NotificationMessage, suppressed: Suppressed | None) -> "Attempt[Address, Content]":
        """`async with attempts.of(…) as attempt:`. `suppressed`: nobody is to get it, so nothing is prepared."""
        return Attempt(self, message, suppressed)

    async def render(self, message: NotificationMessage) -> Content | Permanent | Defect | ProviderDown:
        try:
            return self.channel.render(await self._templates.get(message.template), message)
        except TemplateGone:
            return Permanent("template_gone")
        except TemplateError as error:
            return Permanent("render_failed", error.message)
        except DependencyUnavailable as error:
            return ProviderDown("template_unavailable", error.message)
        except Exception:  # a defect in rendering: it must cost attempts, or the message would come again for ever
            log.exception("delivery.rendering_failed")
            return Defect("rendering_failed")


@dataclass(frozen=True, slots=True)
class _Ready(Generic[Address, Content]):
    """All that a call needs."""

    content: Content
    permit: Permit | None  # None: no provider is asked
    session: Session[Address, Content]


class Attempt(Generic[Address, Content]):
    """Inside the block everything that a call needs is in hand: the content, a place, the provider's connection.

    Or it is known why nothing will be sent. So the ledger is asked right before the provider is called: what waits for a
    place is not claimed, and what the ledger calls `sending` is with the provider. Then `claimed`, and `make` for each
    delivery that was claimed.
    """

    def __init__(
        self, attempts: Attempts[Address, Content], message: NotificationMessage, suppressed: Suppressed | None
    ) -> None:
        self._attempts = attempts
        self._message = message
        self._turn = attempts.admission.of(message.priority)
        self._prepared: _Ready[Address, Content] | Outcome | None = suppressed
        self._session: Session[Address, Content] | None = None
        self._ready_at = 0.0
        self._calls = 0

    async def __aenter__(self) -> Self:
        await self._turn.__aenter__()
        try:
            if self._prepared is None:
                self._prepared = await self._prepare()
        except BaseException:
            await self.__aexit__()
            raise
        self._ready_at = self._attempts.clock()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leave()
        await self._turn.__aexit__()

    async def _prepare(self) -> _Ready[Address, Content] | Outcome:
        content = await self._attempts.render(self._message)
        if isinstance(content, Permanent | Defect | ProviderDown):
            return content
        if self._message.test:
            return _Ready(content, None, SimulatedSession())
        try:
            permit = await self._turn.place()
        except CircuitOpen as error:
            return ProviderDown("provider_resting", after_seconds=error.retry_after)
        try:
            self._session = await self._attempts.channel.open_session()
        except NotReady as error:
            report_to_breaker(permit, error.outcome)
            return error.outcome
        return _Ready(content, permit, self._session)

    def claimed(self, number: int) -> None:
        """The ledger has answered: so many deliveries of this notification are ours, and will be made."""
        self._turn.claimed()
        self._calls = number
        if isinstance(self._prepared, _Ready) and self._stood_still():
            self._prepared = ProviderDown("lease_ran_out")

    async def make(self, claimed: Claimed, target: Target[Address] | None, *, gone: Suppressed | Permanent) -> Outcome:
        """What becomes of one delivery. `gone`: what it is when there is no target."""
        try:
            outcome = await self._made(claimed, target, gone)
        finally:
            self._calls -= 1
            if not self._calls:
                self._leave()
        if isinstance(outcome, Ambiguous) and self._once:
            return Unknown(outcome.code, outcome.detail, attempted=True)
        return outcome

    async def _made(self, claimed: Claimed, target: Target[Address] | None, gone: Suppressed | Permanent) -> Outcome:
        if claimed.doubtful and self._once:
            return Unknown("worker_lost")
        if claimed.unreadable:  # whom it may have gone to is not known now: nobody else gets it meanwhile
            return ProviderDown("contact_unreadable")
        prepared = self._or_why_not(claimed, target, gone)
        if target is not None and isinstance(prepared, _Ready):
            return await self._call(prepared, claimed, target)
        unsent = gone if isinstance(prepared, _Ready) else prepared
        if claimed.doubtful and isinstance(unsent, Suppressed | Expired | Permanent):
            return in_doubt(unsent)
        return unsent

    @property
    def _once(self) -> bool:
        return self._message.delivery_guarantee == "at_most_once"

    def _or_why_not(
        self, claimed: Claimed, target: Target[Address] | None, gone: Suppressed | Permanent
    ) -> _Ready[Address, Content] | Outcome:
        if isinstance(self._prepared, Suppressed):
            return self._prepared
        if target is None or self._prepared is None:
            return gone
        if claimed.expired:
            return Expired()
        return Suppressed("address_suppressed") if claimed.suppressed else self._prepared

    def _stood_still(self) -> bool:
        """Then this process may count as dead by now."""
        return self._attempts.clock() - self._ready_at > self._attempts.lease_seconds

    async def _call(self, ready: _Ready[Address, Content], claimed: Claimed, target: Target[Address]) -> Outcome:
        message, attempts = self._message, self._attempts
        context = DeliveryContext(
            message.notification_id, message.correlation_id, message.priority, message.expires_at, message.sender
        )
        began = time.perf_counter()
        with sending(attempts.tracing, attempts.channel.name, context, attempt=claimed.attempts + 1) as span:
            try:
                outcome = await ready.session.send(ready.content, target, context)
            except Exception:  # a defect in a sender: without this the row would say `sending` until this process ends
                log.exception("delivery.sender_failed")
                outcome = Ambiguous("sender_failed")
            finally:
                if ready.permit is not None:
                    attempts.metrics.asked_provider(time.perf_counter() - began)
            tell(span, outcome)
        if ready.permit is not None:
            report_to_breaker(ready.permit, outcome)
        return outcome

    def _leave(self) -> None:
        """Gives the place and an unused connection back, as soon as the last call has ended."""
        if self._session is not None:
            self._session.close()
            self._session = None
        self._turn.sent()


def report_to_breaker(permit: Permit, outcome: Outcome) -> None:
    """Tells the breaker. A provider that refuses one message, or asks for patience, works."""
    match outcome:
        case AccountRefused(others_pass=True):
            permit.success()
        case ProviderDown() | Ambiguous():
            permit.failure()
        case _:
            permit.success()
