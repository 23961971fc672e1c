"""The engine: what happens to a message from the queue until it is acknowledged.

Read `handle`, then `_claim_and_attempt`, then `attempts.py`: each line is a step, in the order that keeps the promise. The
ledger says `sending` before the provider is called, and has the result before the message is acknowledged.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic
from uuid import UUID

import orjson
import structlog
from pydantic import ValidationError

from chassis.broker import Delivery
from chassis.correlation import begin_story
from chassis.errors import Unavailable
from chassis.tracing import trace_context
from contracts.messages import NotificationMessage
from delivery.attempts import Attempts
from delivery.audience import Audience
from delivery.backoff import RetryPolicy
from delivery.channel import Address, Content, DeliveryChannel, Target
from delivery.counting import DeliveryMetrics
from delivery.ledger import Claim, Claimed, InOtherHands, Ledger, Recorded
from delivery.outcomes import Outcome, Permanent, Suppressed
from delivery.reporting import Reporter
from delivery.right_of_way import RightOfWay
from delivery.sweeping import REQUEUED_HEADER
from delivery.verdict import Result, Verdict, record_of, verdict_of

log = structlog.get_logger()

NOBODY = "nobody"  # the ledger's key for a notification that has no recipient any more
LEDGER_PAUSE_SECONDS = 0.5
MOST_REPLAYS = 2**31


class Engine(Generic[Address, Content]):
    """Delivers one channel's messages. `handle` is the broker's handler: when it raises, the message comes again."""

    def __init__(  # noqa: PLR0913 - the composition root hands every part in
        self,
        channel: DeliveryChannel[Address, Content],
        *,
        ledger: Ledger,
        audience: Audience,
        attempts: Attempts[Address, Content],
        reporter: Reporter,
        right_of_way: RightOfWay,
        policy: RetryPolicy,
        metrics: DeliveryMetrics,
    ) -> None:
        self._channel = channel
        self._ledger = ledger
        self._audience = audience
        self._attempts = attempts
        self._reporter = reporter
        self._right_of_way = right_of_way
        self._policy = policy
        self._metrics = metrics
        self._in_hand: set[tuple[UUID, str]] = set()

    async def handle(self, delivery: Delivery) -> None:
        message = self._read(delivery)
        if message is None:
            await self._refuse(delivery)
            return
        begin_story(message.correlation_id, notification_id=str(message.notification_id))
        results = await self._deliver(message, delivery)
        verdict = verdict_of(results)
        if verdict is not None and verdict.news:
            await self._reporter.report(message, verdict)
        await self._dismiss(delivery, results, verdict)

    def _read(self, delivery: Delivery) -> NotificationMessage | None:
        try:
            message = NotificationMessage.model_validate_json(delivery.body)
        except ValidationError as error:
            log.warning("delivery.unreadable", message_id=delivery.message_id, problems=error.error_count())
            return None
        return message if message.notification_type == self._channel.name else None

    async def _refuse(self, delivery: Delivery) -> None:
        """To failed.queue, byte for byte. A notification of ours fails, or the gateway would publish it again and again.

        Not one that the ledger has: a worker that could read it is at it, or has sent it.
        """
        notification_id, replay = _uuid(delivery.message_id), _replay(delivery.body)
        if notification_id is not None and not await self._ledger.has(notification_id, replay):
            await self._reporter.report_unreadable(notification_id, self._channel.name, replay=replay)
        await delivery.reject()

    async def _deliver(self, message: NotificationMessage, delivery: Delivery) -> Sequence[Result]:
        raw = delivery.body.decode()
        recipient = await self._audience.of(message)
        targets = [] if isinstance(recipient, Suppressed) else self._channel.targets(recipient)
        if REQUEUED_HEADER in delivery.headers:
            await self._ledger.drop_others(message.notification_id, [target.key for target in targets])
        if isinstance(recipient, Suppressed):
            known = await self._ledger.closed(message.notification_id)  # it may have been sent before they opted out
            return known or [await self._close(message, raw, recipient)]
        if not targets:  # a push message with an e-mail recipient, say: without a result it would vanish
            return [await self._close(message, raw, Permanent("no_recipient"))]
        if len(targets) == 1:  # the usual case: a task of its own would cost 3 % of a delivery
            return [await self._deliver_to(targets[0], message, raw)]
        return await asyncio.gather(*(self._deliver_to(target, message, raw) for target in targets))

    async def _deliver_to(self, target: Target[Address], message: NotificationMessage, raw: str) -> Result:
        """One recipient. Two copies of a message in one process must not meet: the ledger tells processes apart only."""
        key = (message.notification_id, target.key)
        if key in self._in_hand:
            return InOtherHands()
        self._in_hand.add(key)
        try:
            return await self._claim_and_attempt(target, message, raw)
        finally:
            self._in_hand.discard(key)

    async def _claim_and_attempt(self, target: Target[Address], message: NotificationMessage, raw: str) -> Result:
        async with self._right_of_way.of(message.priority):
            standing = await self._ledger.claim(_claim(message, target.key, raw))
        if not isinstance(standing, Claimed):
            return standing
        outcome = await self._attempts.make(standing, target, message)
        if outcome is None:
            return InOtherHands()
        row = record_of(Recorded(message.notification_id, target.key), outcome, standing, self._policy)
        if not await self._record(row):
            return InOtherHands()
        await self._channel.settle(message, target, outcome)
        self._note(message, row, outcome)
        return row

    async def _close(self, message: NotificationMessage, raw: str, outcome: Suppressed | Permanent) -> Result:
        """Ends a notification that has nobody to go to."""
        standing = await self._ledger.claim(_claim(message, NOBODY, raw))
        if not isinstance(standing, Claimed):
            return standing
        row = record_of(Recorded(message.notification_id, NOBODY), outcome, standing, self._policy)
        return row if await self._record(row) else InOtherHands()

    async def _record(self, row: Recorded) -> bool:
        """Not given up while the process lives: what was sent and is not in the ledger would be sent again."""
        while True:
            try:
                return await self._ledger.record(row)
            except Unavailable:
                await asyncio.sleep(LEDGER_PAUSE_SECONDS)
            except Exception:  # else the row would say `sending`, in living hands, until this process ends
                log.exception("ledger.record_failed")
                row = replace(row, detail=None, provider_message_id=None)  # a provider's words may be what it chokes on
                await asyncio.sleep(LEDGER_PAUSE_SECONDS)

    def _note(self, message: NotificationMessage, row: Recorded, outcome: Outcome) -> None:
        self._metrics.attempted(message, row, outcome)
        log.info(
            "delivery.recorded",
            outcome=type(outcome).__name__,
            state=row.state,
            code=row.code,
            attempts=row.attempts,
            retry_in=round(row.delay, 1) or None,
        )

    async def _dismiss(self, delivery: Delivery, results: Sequence[Result], verdict: Verdict | None) -> None:
        """A delivery that failed for good, in this round, is rejected: the broker moves it to failed.queue. Once."""
        now_failed = any(isinstance(result, Recorded) for result in results) or delivery.redelivered
        if verdict is not None and verdict.status == "failed" and now_failed:
            await delivery.reject()
        else:
            await delivery.ack()


def _claim(message: NotificationMessage, recipient: str, raw: str) -> Claim:
    return Claim(
        message.notification_id, recipient, message.replay, message.priority, raw, message.expires_at, trace_context()
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _replay(body: bytes) -> int:
    """The round of a message that cannot be read otherwise: an older round's failure does not count."""
    try:
        replay = orjson.loads(body)["replay"]
    except (ValueError, KeyError, TypeError):
        return 0
    return replay if isinstance(replay, int) and 0 <= replay < MOST_REPLAYS else 0
