"""The engine: what happens to a message from the queue until it is acknowledged.

Read `handle`, then `_deliver`, then `attempts.py`. The order of the steps makes sure that nothing is lost: the ledger says
`sending` right before the provider is called, and it has the result before the message is acknowledged. What happens when a
worker dies in between: docs/explanation/failures.md, "A worker dies after its claim".
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic
from uuid import UUID

import structlog

from chassis.broker import IncomingMessage, PublishFailed
from chassis.broker.watermarks import ConsumedWatermarks
from chassis.errors import Unavailable
from chassis.observability.correlation import bind_correlation
from chassis.observability.tracing import trace_context
from contracts.messages import DeviceResult, NotificationMessage
from delivery.attempts import Attempts, PreparedMessage, WithoutCall
from delivery.channel import Address, Content, DeliveryChannel
from delivery.decisions import DeliveryReport, Result, RetryPolicy, record_of, report_of
from delivery.devices import device_results
from delivery.incoming import read_message, reject_unreadable
from delivery.ledger import (
    AddedTooLate,
    AlreadyFinished,
    Claim,
    Claimed,
    ClaimResult,
    DeliveryKey,
    DeliveryRecord,
    Ledger,
    NotOwned,
)
from delivery.metrics import DeliveryMetrics
from delivery.outcomes import Outcome, Permanent, Suppressed, Unknown
from delivery.recipients import NO_RECIPIENT, Destination, RecipientResolver, destinations_of, target_of_attempt
from delivery.reporting import Reporter
from delivery.sweeping import REQUEUED_HEADER, instant_of
from delivery.worker_holds import WorkerHolds

log = structlog.get_logger()

REPEAT_PAUSE_SECONDS = 0.5  # until a failed write to the ledger, or a failed publish of a report, is repeated
REPORT_SECONDS = 60.0  # then the message goes back to the queue, and the next worker reports


@dataclass(frozen=True, slots=True)
class Results:
    """Of a notification: the result of each of its deliveries. `devices` is for the report, if there are several."""

    deliveries: Sequence[Result]
    devices: tuple[DeviceResult, ...] | None = None


HANDED_BACK = Results([NotOwned()])  # the gateway has the notification: nothing else is reported


class Engine(Generic[Address, Content]):
    """Delivers one channel's messages. `handle` is the broker's handler: when it raises, the message is redelivered."""

    def __init__(  # noqa: PLR0913 - the composition root hands every part in
        self,
        channel: DeliveryChannel[Address, Content],
        *,
        ledger: Ledger,
        recipients: RecipientResolver,
        attempts: Attempts[Address, Content],
        reporter: Reporter,
        policy: RetryPolicy,
        metrics: DeliveryMetrics,
        watermarks: ConsumedWatermarks,
        holds: WorkerHolds = WorkerHolds(),
    ) -> None:
        self._channel = channel
        self._ledger = ledger
        self._recipients = recipients
        self._attempts = attempts
        self._reporter = reporter
        self._policy = policy
        self._metrics = metrics
        self._watermarks = watermarks
        self._holds = holds
        self._delivering: set[UUID] = set()

    async def handle(self, incoming: IncomingMessage) -> None:
        message = read_message(incoming, self._channel.name)
        if message is None:
            await reject_unreadable(incoming, self._channel.name, ledger=self._ledger, reporter=self._reporter)
            return
        bind_correlation(message.correlation_id, notification_id=str(message.notification_id))
        self._note_consumed(message, incoming)
        results = await self._deliver_once(message, incoming.body.decode())
        report = report_of(results.deliveries, results.devices)
        if report is not None and report.is_new:
            await self._report(message, report)
        await self._acknowledge(incoming, results.deliveries, report)

    def is_delivering(self, notification_id: UUID) -> bool:
        """Whether this worker is working on it now: until its deliveries are recorded. The report and the ack follow."""
        return notification_id in self._delivering

    def _note_consumed(self, message: NotificationMessage, incoming: IncomingMessage) -> None:
        """Notes that the queue has delivered every earlier retry of this priority: it is first in, first out per priority."""
        taken_at = instant_of(incoming.headers.get(REQUEUED_HEADER))
        if taken_at is not None:
            self._watermarks.note_consumed(self._channel.name, message.priority, taken_at, message.notification_id)

    async def _deliver_once(self, message: NotificationMessage, raw: str) -> Results:
        """Handles one copy of a message at a time in this process: the ledger distinguishes processes, not tasks.

        A handler is cancelled only when this process stops. Then the message stays in `_delivering`, so that its delivery is
        not requeued: the provider may have it. Another worker takes the delivery over once this worker counts as dead.
        """
        if message.notification_id in self._delivering:
            return Results([NotOwned()])
        self._delivering.add(message.notification_id)
        try:
            results = await self._deliver(message, raw)
        except Exception:
            self._delivering.discard(message.notification_id)
            raise
        self._delivering.discard(message.notification_id)
        return results

    async def _deliver(self, message: NotificationMessage, raw: str) -> Results:
        if await self._hand_back(message):
            return HANDED_BACK
        recipient = await self._recipients.resolve(message)
        current = None if isinstance(recipient, Suppressed) or recipient == message.recipient else recipient
        wanted = destinations_of(self._channel, message, current)
        contact = None if current is None else current.model_dump_json()
        async with self._attempts.prepare(message, [one.target for one in wanted], recipient) as prepared:
            if await self._hand_back(message):  # the message may have waited long for its slot
                return HANDED_BACK
            claims = await self._ledger.claim(
                [_claim(message, raw, one, contact, prepared.provider_for(one.target)) for one in wanted]
            )
            prepared.mark_claimed(sum(isinstance(claim, Claimed) for claim in claims))
            if len(wanted) == 1:  # the usual case: a separate task costs 3 % of a delivery
                return Results([await self._deliver_to(wanted[0], claims[0], message, prepared)])
            results = await asyncio.gather(
                *(
                    self._deliver_to(destination, claim, message, prepared)
                    for destination, claim in zip(wanted, claims, strict=True)
                    if not isinstance(claim, AddedTooLate)
                )
            )
        return await self._with_other_recipients(message, results)

    async def _hand_back(self, message: NotificationMessage) -> bool:
        """Gives a held message back to the gateway, where it waits. Returns whether it did.

        If the ledger has a delivery of the round, this worker keeps it: only the ledger knows what was attempted.
        """
        hold = self._holds.hold_in_force(message)
        if hold is None or await self._ledger.has(message.notification_id, message.replay):
            return False
        await self._report(message, DeliveryReport("held", 0, hold_id=hold))
        log.info("delivery.handed_back", hold_id=str(hold))
        return True

    async def _deliver_to(
        self,
        destination: Destination[Address],
        claim: ClaimResult,
        message: NotificationMessage,
        prepared: PreparedMessage[Address, Content],
    ) -> Result:
        """Attempts one delivery, if it was claimed, and records the outcome."""
        match claim:
            case Claimed():
                return await self._attempt(destination, claim, message, prepared)
            case AddedTooLate():
                return NotOwned()
            case AlreadyFinished() | NotOwned():
                return claim

    async def _attempt(
        self,
        destination: Destination[Address],
        claimed: Claimed,
        message: NotificationMessage,
        prepared: PreparedMessage[Address, Content],
    ) -> Result:
        target = destination.target
        if claimed.ambiguous:
            target = target_of_attempt(self._channel, message, destination.key, claimed.contact)
            # The claim checked the current address; that says nothing about another one.
            claimed.suppressed &= target == destination.target
        no_target: WithoutCall = (
            Permanent("no_recipient") if destination.key == NO_RECIPIENT else Suppressed("recipient_gone")
        )
        if claimed.ambiguous and self._policy.is_used_up(claimed.faults):
            target, no_target = None, Unknown("exhausted", "worker_lost")
        outcome = await prepared.attempt(claimed, target, no_target=no_target)
        key = DeliveryKey(message.notification_id, destination.key, message.replay)
        record = record_of(key, outcome, claimed, self._policy, now=claimed.now(), expires_at=message.expires_at)
        if not await self._record(record):
            return NotOwned()
        if target is not None and not message.test:
            await self._channel.act_on_outcome(message, target, outcome, age_seconds=claimed.age_seconds())
        self._log(message, record, outcome)
        return record

    async def _with_other_recipients(self, message: NotificationMessage, results: Sequence[Result]) -> Results:
        """The results of all recipients, from the ledger: the worker that records the last one reports the notification."""
        states = (await self._ledger.states([message.notification_id])).get(message.notification_id, {})
        mine = {result.recipient: result for result in results if isinstance(result, DeliveryRecord)}
        latest = [_latest(mine.get(recipient), state) for recipient, state in states.items()]
        return Results(latest, device_results(states))

    async def _report(self, message: NotificationMessage, report: DeliveryReport) -> None:
        """Repeats the report if the connection is lost. No other worker would: all other copies may be acknowledged."""
        deadline = asyncio.get_running_loop().time() + REPORT_SECONDS
        while True:
            try:
                await self._reporter.report(message, report)
            except PublishFailed:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(REPEAT_PAUSE_SECONDS)
            else:
                return

    async def _record(self, row: DeliveryRecord) -> bool:
        """Repeated as long as the process runs: a delivery that was sent but is not in the ledger would be sent again."""
        while True:
            try:
                return await self._ledger.record(row)
            except Unavailable:
                await asyncio.sleep(REPEAT_PAUSE_SECONDS)
            except Exception:  # else the row would say `sending`, owned by a live worker, until this process ends
                log.exception("ledger.record_failed")
                row = replace(row, detail=None, provider_message_id=None)  # the provider's text may be the cause
                await asyncio.sleep(REPEAT_PAUSE_SECONDS)

    def _log(self, message: NotificationMessage, row: DeliveryRecord, outcome: Outcome) -> None:
        self._metrics.count_attempt(message, row, outcome)
        log.info(
            "delivery.recorded",
            outcome=type(outcome).__name__,
            state=row.state,
            code=row.code,
            attempts=row.attempts,
            retry_in=round(row.delay, 1) or None,
        )

    async def _acknowledge(
        self, incoming: IncomingMessage, results: Sequence[Result], report: DeliveryReport | None
    ) -> None:
        """Rejects a message whose delivery failed for good in this round: the broker moves it to failed.queue, once."""
        now_failed = any(isinstance(result, DeliveryRecord) for result in results) or incoming.redelivered
        if report is not None and report.status == "failed" and now_failed:
            await incoming.reject()
        else:
            await incoming.ack()


def _claim(
    message: NotificationMessage,
    raw: str,
    destination: Destination[Address],
    contact: str | None,
    provider: str | None,
) -> Claim:
    return Claim(
        message.notification_id,
        destination.key,
        message.replay,
        message.priority,
        raw,
        message.expires_at,
        contact,
        destination.added_later,
        None if destination.target is None else destination.target.fingerprint,
        trace_context(),
        provider,
    )


def _latest(mine: DeliveryRecord | None, state: AlreadyFinished | NotOwned) -> Result:
    """Another worker may already have finished the retry that this worker recorded."""
    return state if mine is None or (mine.state == "retry" and isinstance(state, AlreadyFinished)) else mine
