"""One attempt to deliver: preparing it, calling the provider, and the span around the call.

The provider call is the only call that leaves the system, so no trace header goes with it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Generic, Self

import structlog
from opentelemetry.trace import Span, SpanKind

from chassis.errors import Unavailable
from chassis.http.client import DependencyUnavailable
from chassis.observability.tracing import OFF, UNTRACED, Tracing, failed, span
from chassis.process.breaker import CircuitOpen
from chassis.security import Sender
from contracts.messages import NotificationMessage
from contracts.recipients import Channel, EmailRecipient, PushRecipient
from contracts.senders import sender_for
from contracts.unsubscribing import Unsubscription
from delivery.admission import Admission
from delivery.channel import (
    Address,
    AttachmentGone,
    Content,
    DeliveryChannel,
    DeliveryContext,
    NotReady,
    Session,
    Target,
)
from delivery.ledger import Claimed
from delivery.metrics import DeliveryMetrics
from delivery.outcomes import (
    Ambiguous,
    Defect,
    Expired,
    HeldBack,
    Outcome,
    Permanent,
    ProviderDown,
    RetryLater,
    Sent,
    Suppressed,
    Unknown,
    in_doubt,
)
from delivery.providers import ProviderPermit
from delivery.template_store import TemplateGone, TemplateStore
from delivery.throttle import DomainThrottle, Place
from templating import TemplateError


def sending(
    tracing: Tracing, channel: Channel, context: DeliveryContext, *, attempt: int
) -> AbstractContextManager[Span]:
    """Span `send email` or `send push`: attempt number `attempt` at one recipient, whom the span does not name."""
    if tracing.tracer is None:
        return UNTRACED
    attributes: dict[str, str | int] = {
        "messaging.message.id": str(context.notification_id),
        "notification.type": channel,
        "notification.attempt": attempt,
    }
    return span(tracing.tracer, f"send {channel}", SpanKind.CLIENT, attributes)


def tell(begun: Span, outcome: Outcome) -> None:
    """Writes the outcome, and its code when it is an error; never the provider's text, which may contain an address."""
    if not begun.is_recording():
        return
    begun.set_attribute("notification.outcome", type(outcome).__name__)
    if isinstance(outcome, RetryLater | Permanent | Ambiguous | ProviderDown):
        failed(begun, outcome.code)


# Outcomes for notifications of test keys: the whole path runs, but no provider is called.
#
# One of these words anywhere in the recipient's address or device token chooses the outcome.

OUTCOMES: dict[str, Outcome] = {
    "simulate-bounce": Permanent("simulated_bounce"),
    "simulate-temporary": RetryLater("simulated_temporary"),
    "simulate-no-answer": Ambiguous("simulated_no_answer"),
}


class SimulatedSession:
    """Accepts everything, except for the recipients in `OUTCOMES`. It never reports an address or a device as dead."""

    async def send(self, content: object, target: Target[Any], context: DeliveryContext) -> Outcome:  # noqa: ARG002 - a session's
        address = target.address if isinstance(target.address, str) else target.address.token
        for word, outcome in OUTCOMES.items():
            if word in address.lower():
                return outcome
        return Sent(f"simulated-{context.notification_id}")

    def close(self) -> None:
        """Does nothing: there is no connection to return."""


log = structlog.get_logger()

Unsent = Suppressed | Permanent | Unknown  # outcomes without a call


@dataclass(frozen=True, slots=True)
class Rendered(Generic[Content]):
    """The content for all targets, and its template's purpose and sender."""

    content: Content
    purpose: str | None
    sender: Sender | None


class Attempts(Generic[Address, Content]):
    """Every error in an attempt becomes an outcome, never an exception."""

    def __init__(  # noqa: PLR0913 - the composition root hands every part in
        self,
        channel: DeliveryChannel[Address, Content],
        *,
        templates: TemplateStore,
        admission: Admission,
        metrics: DeliveryMetrics,
        lease_seconds: float,
        throttle: DomainThrottle | None = None,
        tracing: Tracing = OFF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lease_seconds`: for this long no other worker takes over a delivery that the ledger says we are sending.

        `throttle`: for targets with a domain; None: no domain is throttled.
        """
        self.channel = channel
        self.admission = admission
        self.tracing = tracing
        self.metrics = metrics
        self.lease_seconds = lease_seconds
        self.throttle = throttle
        self.clock = clock
        self._templates = templates

    def of(
        self,
        message: NotificationMessage,
        targets: Sequence[Target[Address] | None],
        recipient: EmailRecipient | PushRecipient | Suppressed,
    ) -> "Attempt[Address, Content]":
        """Used as `async with attempts.of(…) as attempt:`. If it is suppressed nothing is sent, so nothing is prepared."""
        return Attempt(self, message, targets, recipient)

    async def render(
        self, message: NotificationMessage, recipient: EmailRecipient | PushRecipient
    ) -> Rendered[Content] | Permanent | Defect | ProviderDown | Suppressed:
        try:
            template = await self._templates.get(message.template)
            if isinstance(recipient, EmailRecipient) and template.purpose in recipient.unsubscribed:
                return Suppressed("unsubscribed")
            return Rendered(self.channel.render(template.compiled, message), template.purpose, template.sender)
        except TemplateGone:
            return Permanent("template_gone")
        except TemplateError as error:
            return Permanent("render_failed", error.message)
        except DependencyUnavailable as error:
            return ProviderDown("template_unavailable", error.message)
        except Exception:  # a defect in rendering: it must cost attempts, or the message would be retried for ever
            log.exception("delivery.rendering_failed")
            return Defect("rendering_failed")


@dataclass(frozen=True, slots=True)
class _Line(Generic[Address, Content]):
    """A provider that is ready for the calls of one notification."""

    permit: ProviderPermit
    session: Session[Address, Content]

    @property
    def provider(self) -> str:
        return self.permit.provider.name

    def close(self) -> None:
        self.session.close()
        self.permit.release()


@dataclass(frozen=True, slots=True)
class _Ready(Generic[Address, Content]):
    """Everything that the calls need: the content, and a provider for each choice of them. A test has no provider."""

    rendered: Rendered[Content]
    lines: Mapping[frozenset[str], _Line[Address, Content]]


_NOTHING_YET = ProviderDown("not_prepared")


class Attempt(Generic[Address, Content]):
    """On entry, either everything for the call is ready (a place at the recipient's domain, the content, a slot, the
    provider's connection), or the outcome is decided and nothing will be sent.

    So the claim is made right before the provider is called: a delivery
    that waits for a slot is not claimed, and a delivery in state `sending` is with the provider. Call `claimed` after the
    claim, then `make` for each delivery that was claimed.
    """

    def __init__(
        self,
        attempts: Attempts[Address, Content],
        message: NotificationMessage,
        targets: Sequence[Target[Address] | None],
        recipient: EmailRecipient | PushRecipient | Suppressed,
    ) -> None:
        self._attempts = attempts
        self._message = message
        self._targets = targets
        self._turn = attempts.admission.of(message.priority)
        self._recipient = recipient
        self._place: Place | None = None
        self._prepared: _Ready[Address, Content] | Outcome = _NOTHING_YET
        self._lines: list[_Line[Address, Content]] = []
        self._release: Callable[[], None] | None = None
        self._ready_at = 0.0
        self._calls = 0

    async def __aenter__(self) -> Self:
        try:
            held_back = await self._wait_for_domain()
            await self._turn.__aenter__()
            self._prepared = held_back or await self._prepare()
        except BaseException:
            await self.__aexit__()
            raise
        self._ready_at = self._attempts.clock()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leave()
        await self._turn.__aexit__()

    async def _wait_for_domain(self) -> HeldBack | None:
        """Comes first: a message that waits here holds nothing that another one needs."""
        throttle = self._attempts.throttle
        target = next((one for one in self._targets if one is not None and one.domain is not None), None)
        if throttle is None or target is None or target.domain is None:
            return None
        if self._message.test or isinstance(self._recipient, Suppressed):
            return None
        entered = await throttle.enter(target.domain, target.key, self._message.priority)
        if isinstance(entered, HeldBack):
            return entered
        self._place = entered
        return None

    async def _prepare(self) -> _Ready[Address, Content] | Outcome:
        if isinstance(self._recipient, Suppressed):
            return self._recipient
        rendered = await self._attempts.render(self._message, self._recipient)
        if isinstance(rendered, Rendered) and self._message.email is not None and not self._message.test:
            rendered = await self._completed(rendered)
        if not isinstance(rendered, Rendered):
            return rendered
        if self._message.test:
            return _Ready(rendered, {})
        choices = {self._attempts.channel.providers_for(target) for target in self._targets if target is not None}
        if not choices:
            return _Ready(rendered, {})
        try:
            permits = await self._turn.slot(choices)
        except CircuitOpen as error:
            return ProviderDown("provider_resting", after_seconds=error.retry_after)
        return await self._connected(rendered, permits)

    async def _completed(self, rendered: Rendered[Content]) -> Rendered[Content] | Permanent | ProviderDown | Defect:
        """With copies and attachments. A service that is down costs no attempt."""
        try:
            whole = await self._attempts.channel.complete(rendered.content, self._message)
        except AttachmentGone:
            return Permanent("attachment_gone")
        except Unavailable as error:
            return ProviderDown("attachment_unavailable", error.message)
        except Exception:  # a defect, as in `render`
            log.exception("delivery.completing_failed")
            return Defect("completing_failed")
        self._release = whole.release
        return replace(rendered, content=whole.content)

    async def _connected(
        self, rendered: Rendered[Content], permits: Mapping[frozenset[str], ProviderPermit]
    ) -> _Ready[Address, Content] | Outcome:
        """Opens a session for each permit. The outcome of the last one counts if none can be opened."""
        if self._place is not None and (held_back := self._place.recalled()):
            for permit in permits.values():
                permit.release()
            self._turn.sent()
            return held_back
        lines: dict[frozenset[str], _Line[Address, Content]] = {}
        failure: ProviderDown | None = None
        for names, permit in permits.items():
            line = await self._line(names, permit)
            if isinstance(line, _Line):
                lines[names] = line
            else:
                failure = line
        return _Ready(rendered, lines) if lines or failure is None else failure

    async def _line(self, names: frozenset[str], permit: ProviderPermit) -> _Line[Address, Content] | ProviderDown:
        """A session with the permit's provider, or with another one of `names` if that one cannot be reached."""
        tried: set[str] = set()
        while True:
            try:
                session = await self._attempts.channel.open_session(permit.provider.name)
            except NotReady as error:
                self._attempts.metrics.answered(permit.provider.name, error.outcome)
                permit.report(error.outcome)
                permit.release()
                tried.add(permit.provider.name)
                try:
                    permit = self._attempts.admission.providers.take(names - tried)
                except CircuitOpen:
                    return error.outcome
            except BaseException:
                permit.release()
                raise
            else:
                line = _Line(permit, session)
                self._lines.append(line)
                return line

    def provider_for(self, target: Target[Address] | None) -> str | None:
        """The provider that is ready to be called for the target; None: none will be called."""
        if target is None or not isinstance(self._prepared, _Ready) or not self._prepared.lines:
            return None
        line = self._prepared.lines.get(self._attempts.channel.providers_for(target))
        return None if line is None else line.provider

    def claimed(self, number: int) -> None:
        """The ledger has answered: this worker has claimed `number` deliveries of the notification and will make them."""
        self._turn.claimed()
        self._calls = number
        if isinstance(self._prepared, _Ready) and self._stood_still():
            self._prepared = ProviderDown("lease_ran_out")

    async def make(self, claimed: Claimed, target: Target[Address] | None, *, gone: Unsent) -> Outcome:
        """Makes one delivery. `gone` is its outcome when there is no target."""
        try:
            outcome = await self._made(claimed, target, gone)
        finally:
            self._calls -= 1
            if not self._calls:
                self._leave()
        if isinstance(outcome, Ambiguous) and self._once:
            return Unknown(outcome.code, outcome.detail, attempted=True)
        return outcome

    async def _made(self, claimed: Claimed, target: Target[Address] | None, gone: Unsent) -> Outcome:
        if claimed.doubtful and self._once:
            return Unknown("worker_lost")
        if claimed.unreadable:  # its first recipient cannot be read now: until then it goes to no other recipient
            return ProviderDown("contact_unreadable")
        prepared = self._or_why_not(claimed, target, gone)
        if target is not None and isinstance(prepared, _Ready):
            if self._message.test:
                return await self._call(prepared.rendered, None, claimed, target)
            line = await self._line_for(prepared, claimed, target)
            return await self._call(prepared.rendered, line, claimed, target) if isinstance(line, _Line) else line
        unsent = gone if isinstance(prepared, _Ready) else prepared
        if claimed.doubtful and isinstance(unsent, Suppressed | Expired | Permanent):
            return in_doubt(unsent)
        return unsent

    @property
    def _once(self) -> bool:
        return self._message.delivery_guarantee == "at_most_once"

    def _or_why_not(
        self, claimed: Claimed, target: Target[Address] | None, gone: Unsent
    ) -> _Ready[Address, Content] | Outcome:
        if isinstance(self._prepared, Suppressed):
            return self._prepared
        if target is None:
            return gone
        if claimed.expired:
            return Expired()
        return Suppressed("address_suppressed") if claimed.suppressed else self._prepared

    def _stood_still(self) -> bool:
        """Whether this process stood still so long that it may count as dead by now."""
        return self._attempts.clock() - self._ready_at > self._attempts.lease_seconds

    async def _line_for(
        self, ready: _Ready[Address, Content], claimed: Claimed, target: Target[Address]
    ) -> _Line[Address, Content] | ProviderDown | Unknown:
        """After an attempt in doubt only the provider of that attempt may be called: it may have the message."""
        providers, names = self._attempts.admission.providers, self._attempts.channel.providers_for(target)
        line = ready.lines.get(names)
        first = claimed.provider if claimed.doubtful else None
        if first is not None and (line is None or line.provider != first):
            if first not in providers.names:
                return Unknown("provider_removed", first)
            names, line = frozenset((first,)), None
        if line is not None:
            return line
        try:
            return await self._line(names, providers.take(names))
        except CircuitOpen as error:
            return ProviderDown("provider_resting", after_seconds=error.retry_after)

    async def _call(
        self,
        rendered: Rendered[Content],
        line: _Line[Address, Content] | None,
        claimed: Claimed,
        target: Target[Address],
    ) -> Outcome:
        """Calls the provider of `line`; None: simulates it."""
        message, attempts = self._message, self._attempts
        unsubscribing = None
        if rendered.purpose is not None and not message.fixed_recipient:
            unsubscribing = Unsubscription(message.user_id, rendered.purpose)
        context = DeliveryContext(
            message.notification_id,
            message.correlation_id,
            message.priority,
            message.expires_at,
            sender_for(rendered.sender, message.sender),
            unsubscribing,
            message.overrides,
        )
        session: Session[Address, Content] = SimulatedSession() if line is None else line.session
        began = time.perf_counter()
        with sending(attempts.tracing, attempts.channel.name, context, attempt=claimed.attempts + 1) as span:
            try:
                outcome = await session.send(rendered.content, target, context)
            except Exception:  # a defect in a sender: otherwise the row would say `sending` until this process ends
                log.exception("delivery.sender_failed")
                outcome = Ambiguous("sender_failed")
            tell(span, outcome)
        if line is None:
            return outcome
        attempts.metrics.answered(line.provider, outcome, time.perf_counter() - began)
        line.permit.report(outcome)
        if self._place is not None:
            self._place.report(outcome)
        if isinstance(outcome, ProviderDown) and not claimed.doubtful and self._others_work(line, target):
            return replace(outcome, elsewhere=True)
        return outcome

    def _others_work(self, line: _Line[Address, Content], target: Target[Address]) -> bool:
        others = self._attempts.channel.providers_for(target) - {line.provider}
        return bool(others) and not self._attempts.admission.providers.resting(others)

    def _leave(self) -> None:
        """Returns the place, the slot, the permits and unused connections, as soon as the last call has ended."""
        while self._lines:
            self._lines.pop().close()
        if self._release is not None:
            self._release()
            self._release = None
        self._turn.sent()
        if self._place is not None:
            self._place.leave()
