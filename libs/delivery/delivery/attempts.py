"""A message is prepared once for all its targets. Then each of its deliveries is attempted: one call of a provider."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, Self

import structlog

from chassis.errors import Unavailable
from chassis.observability.tracing import OFF, Tracing
from chassis.process.breaker import NotCallableNow
from contracts.messages import NotificationMessage
from contracts.recipients import EmailRecipient, PushRecipient
from contracts.senders import sender_for
from contracts.unsubscribing import Unsubscription
from delivery.admission import Admission
from delivery.calls import SimulatedSession, record_outcome, sending
from delivery.channel import (
    Address,
    Content,
    DeliveryChannel,
    DeliveryContext,
    Session,
    Target,
)
from delivery.contents import Contents, Rendered
from delivery.ledger import Claimed
from delivery.metrics import DeliveryMetrics
from delivery.outcomes import (
    Ambiguous,
    Expired,
    Outcome,
    Permanent,
    Postponed,
    ProviderDown,
    Sent,
    Suppressed,
    Unknown,
    unknown_instead_of,
)
from delivery.providers import down_because
from delivery.ready_providers import ReadyProvider, ReadyProviders
from delivery.template_store import TemplateStore
from delivery.throttle import DomainPermit, DomainThrottle
from delivery.worker_holds import HELD_SECONDS, WorkerHolds

log = structlog.get_logger()

# Outcomes without a call of a provider. Unknown: an earlier attempt may have arrived.
WithoutCall = Suppressed | Permanent | Unknown


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
        holds: WorkerHolds = WorkerHolds(),
        throttle: DomainThrottle | None = None,
        tracing: Tracing = OFF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lease_seconds`: no other worker takes over a delivery for so long after its claim.

        `holds`: while a notification is held, its deliveries that were attempted before wait in the ledger. `throttle`: for
        targets with a domain; None: no domain is throttled.
        """
        self.channel = channel
        self.admission = admission
        self.tracing = tracing
        self.metrics = metrics
        self.lease_seconds = lease_seconds
        self.holds = holds
        self.throttle = throttle
        self.clock = clock
        self.contents = Contents(channel, templates)

    def prepare(
        self,
        message: NotificationMessage,
        targets: Sequence[Target[Address] | None],
        recipient: EmailRecipient | PushRecipient | Suppressed,
    ) -> "PreparedMessage[Address, Content]":
        """Use it as `async with attempts.prepare(…) as prepared:`. Nothing is prepared for a suppressed recipient."""
        return PreparedMessage(self, message, targets, recipient)


_NOTHING_YET = ProviderDown("not_prepared")


class PreparedMessage(Generic[Address, Content]):
    """The message of one notification, for all its targets.

    On entry, either everything for the calls is ready (a permit for the recipient's domain, the content, a slot, the
    provider's connection), or the outcome is decided and nothing will be sent.

    So the claim is made right before the provider is called: a delivery that waits for a slot is not claimed, and a delivery
    in state `sending` is with the provider. Call `mark_claimed` after the claim, then `attempt` for each claimed delivery.
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
        self._admitted = attempts.admission.for_priority(message.priority)
        self._recipient = recipient
        self._domain_permit: DomainPermit | None = None
        self._prepared: Rendered[Content] | Outcome = _NOTHING_YET
        self._ready = ReadyProviders(attempts.channel, attempts.admission.providers, attempts.metrics)
        self._free_content: Callable[[], None] | None = None
        self._ready_at = 0.0
        self._calls = 0

    async def __aenter__(self) -> Self:
        try:
            postponed = await self._wait_for_domain()
            await self._admitted.__aenter__()
            self._prepared = postponed or await self._prepare()
        except BaseException:
            await self.__aexit__()
            raise
        self._ready_at = self._attempts.clock()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._give_all_back()
        await self._admitted.__aexit__()

    async def _wait_for_domain(self) -> Postponed | None:
        """The first step: a message that waits here holds nothing that another message needs."""
        throttle = self._attempts.throttle
        target = next((one for one in self._targets if one is not None and one.domain is not None), None)
        if throttle is None or target is None or target.domain is None:
            return None
        if self._message.test or isinstance(self._recipient, Suppressed):
            return None
        published_at = self._message.queued_at or self._message.created_at
        acquired = await throttle.acquire(target.domain, target.key, self._message.priority, published_at)
        if isinstance(acquired, Postponed):
            return acquired
        self._domain_permit = acquired
        return None

    async def _prepare(self) -> Rendered[Content] | Outcome:
        """Renders the content, then waits for a provider for each target. Messages of test keys call no provider."""
        if isinstance(self._recipient, Suppressed):
            return self._recipient
        rendered = await self._attempts.contents.render(self._message, self._recipient)
        if not isinstance(rendered, Rendered):
            return rendered
        self._free_content = rendered.free
        choices = {self._attempts.channel.providers_for(target) for target in self._targets if target is not None}
        if self._message.test or not choices:
            return rendered
        try:
            permits = await self._admitted.slot(choices)
        except NotCallableNow as error:
            return down_because(error)
        if self._domain_permit is not None and (postponed := self._domain_permit.revoked()):
            for permit in permits.values():
                permit.give_back()
            self._admitted.return_slot()
            return postponed
        return await self._ready.open(permits) or rendered

    def provider_for(self, target: Target[Address] | None) -> str | None:
        """The provider that is ready to be called for the target; None: none will be called."""
        if target is None or not isinstance(self._prepared, Rendered):
            return None
        return self._ready.provider_for(target)

    def mark_claimed(self, number: int) -> None:
        """The ledger has answered: this worker claimed `number` deliveries of the notification, and attempts them next."""
        self._admitted.end_preparation()
        self._calls = number
        if isinstance(self._prepared, Rendered):
            if self._lease_ran_out():
                self._prepared = ProviderDown("lease_ran_out")
            elif self._attempts.holds.standing_hold(self._message):
                self._prepared = Postponed("held", after_seconds=HELD_SECONDS, refusing=False)

    async def attempt(self, claimed: Claimed, target: Target[Address] | None, *, no_target: WithoutCall) -> Outcome:
        """Attempts one delivery. `no_target` is its outcome if there is no target."""
        try:
            outcome = await self._reported(claimed) or await self._outcome_of(claimed, target, no_target)
        finally:
            self._calls -= 1
            if not self._calls:
                self._give_all_back()
        if isinstance(outcome, Ambiguous) and self._once:
            return Unknown(outcome.code, outcome.detail, attempted=True)
        return outcome

    async def _reported(self, claimed: Claimed) -> Outcome | None:
        """Sent, if a provider has reported anything about an ambiguous attempt: it has the message, so no other attempt is
        made.
        """
        try:
            taken = claimed.ambiguous and await self._attempts.channel.was_taken(self._message)
        except Unavailable as error:
            return ProviderDown("reports_unavailable", error.message)
        return Sent(reported=True) if taken else None

    async def _outcome_of(self, claimed: Claimed, target: Target[Address] | None, no_target: WithoutCall) -> Outcome:
        if claimed.ambiguous and self._once:
            return Unknown("worker_lost")
        if claimed.undecryptable:
            # The first attempt's recipient cannot be decrypted now; no other recipient may be used.
            return ProviderDown("contact_unreadable")
        prepared = self._content_or_outcome(claimed, target, no_target)
        if target is not None and isinstance(prepared, Rendered):
            if self._message.test:
                return await self._call(prepared, None, claimed, target)
            ready = await self._ready.get(claimed, target)
            return await self._call(prepared, ready, claimed, target) if isinstance(ready, ReadyProvider) else ready
        without_call = no_target if isinstance(prepared, Rendered) else prepared
        if claimed.ambiguous and isinstance(without_call, Suppressed | Expired | Permanent):
            return unknown_instead_of(without_call)
        return without_call

    @property
    def _once(self) -> bool:
        return self._message.delivery_guarantee == "at_most_once"

    def _content_or_outcome(
        self, claimed: Claimed, target: Target[Address] | None, no_target: WithoutCall
    ) -> Rendered[Content] | Outcome:
        if isinstance(self._prepared, Suppressed):
            return self._prepared
        if target is None:
            return no_target
        if claimed.expired:
            return Expired()
        return Suppressed("address_suppressed") if claimed.suppressed else self._prepared

    def _lease_ran_out(self) -> bool:
        """Whether other workers may count this process as dead: the process stood still after preparing, or the claim's
        commit took too long.
        """
        return self._attempts.clock() - self._ready_at > self._attempts.lease_seconds

    async def _call(
        self,
        rendered: Rendered[Content],
        ready: ReadyProvider[Address, Content] | None,
        claimed: Claimed,
        target: Target[Address],
    ) -> Outcome:
        """Calls the provider; `ready` is None for test keys: then the call is simulated."""
        if ready is not None and ready.permit.provider.held:  # since the permit was given
            return self._or_another(down_because(ready.permit.provider.refusal()), ready, claimed, target)
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
            rendered.purpose,
        )
        session: Session[Address, Content] = SimulatedSession() if ready is None else ready.session
        began = time.perf_counter()
        with sending(attempts.tracing, attempts.channel.name, context, attempt=claimed.attempts + 1) as span:
            try:
                outcome = await session.send(rendered.content, target, context)
            except Exception:  # a defect in a sender: otherwise the row would say `sending` until this process ends
                log.exception("delivery.sender_failed")
                outcome = Ambiguous("sender_failed")
            record_outcome(span, outcome)
        if ready is None:
            return outcome
        attempts.metrics.observe_answer(ready.provider, outcome, time.perf_counter() - began)
        ready.permit.report(outcome)
        if self._domain_permit is not None:
            self._domain_permit.report(outcome)
        return self._or_another(outcome, ready, claimed, target) if isinstance(outcome, ProviderDown) else outcome

    def _or_another(
        self,
        outcome: ProviderDown,
        ready: ReadyProvider[Address, Content],
        claimed: Claimed,
        target: Target[Address],
    ) -> ProviderDown:
        """If another provider may take the message, it is tried again soon."""
        if claimed.ambiguous or not self._ready.others_work(ready, target):
            return outcome
        return replace(outcome, elsewhere=True)

    def _give_all_back(self) -> None:
        """Gives the permits, the slot and unused connections back, as soon as the last call has ended."""
        self._ready.close()
        if self._free_content is not None:
            self._free_content()
            self._free_content = None
        self._admitted.return_slot()
        if self._domain_permit is not None:
            self._domain_permit.give_back()
