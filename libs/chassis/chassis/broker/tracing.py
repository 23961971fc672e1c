"""A broker that traces messages: a producer span for each publication, a consumer span around each handler.

Attribute names follow OpenTelemetry's conventions for messaging.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from opentelemetry.trace import Span, SpanKind, Tracer

from chassis.broker import (
    Broker,
    Consumer,
    Handler,
    IncomingMessage,
    Publication,
    PublishFailed,
    QueueDepth,
    RabbitBroker,
    Topology,
)
from chassis.observability.tracing.context import TRACEPARENT, is_sampled, parent_of, written
from chassis.observability.tracing.spans import Tracing, failed, span


def traced(broker: Broker, topology: Topology, tracing: Tracing) -> Broker:
    """Returns `broker` itself if tracing is off."""
    return TracedBroker(broker, topology, tracing.tracer) if tracing.tracer is not None else broker


@dataclass(frozen=True, slots=True)
class _Begun:
    publication: Publication
    span: Span | None


class TracedBroker:
    """Passes every call to `inner`. A publication belongs to the trace that its `traceparent` header names."""

    def __init__(self, inner: Broker, topology: Topology, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer
        self._system = "rabbitmq" if isinstance(inner, RabbitBroker) else "in_process"
        self._queues = {spec.routing_key: spec.name for spec in topology.queues}

    async def publish_many(self, publications: Sequence[Publication]) -> list[PublishFailed | None]:
        begun = [self._begin(publication) for publication in publications]
        outcomes: list[PublishFailed | None] = []
        try:
            outcomes = await self._inner.publish_many([one.publication for one in begun])
        finally:
            for index, one in enumerate(begun):
                if one.span is not None:
                    _end(one.span, outcomes[index] if outcomes else None, known=bool(outcomes))
        return outcomes

    def _begin(self, publication: Publication) -> _Begun:
        """Starts a span for sampled publications only. An unsampled one keeps its header, which tells the next process so."""
        parent = parent_of(publication.headers.get(TRACEPARENT))
        if not is_sampled(parent):
            return _Begun(publication, None)
        queue = self._queues.get(publication.routing_key, publication.routing_key)
        attributes = self._attributes("publish", "send", queue, publication.message_id)
        begun = self._tracer.start_span(f"publish {queue}", parent, SpanKind.PRODUCER, attributes)
        headers = {**publication.headers, TRACEPARENT: written(begun) or ""}
        return _Begun(replace(publication, headers=headers), begun)

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> Consumer:
        async def processed(incoming: IncomingMessage) -> None:
            parent = parent_of(incoming.headers.get(TRACEPARENT))
            attributes = self._attributes("process", "process", queue, incoming.message_id)
            with span(self._tracer, f"process {queue}", SpanKind.CONSUMER, attributes, parent=parent):
                await handler(incoming)

        return await self._inner.consume(queue, processed, prefetch=prefetch)

    def _attributes(self, operation: str, kind: str, queue: str, message_id: str) -> dict[str, str | int]:
        return {
            "messaging.system": self._system,
            "messaging.operation.name": operation,
            "messaging.operation.type": kind,
            "messaging.destination.name": queue,
            "messaging.message.id": message_id,
        }

    async def start(self) -> None:
        await self._inner.start()

    async def close(self) -> None:
        await self._inner.close()

    @property
    def connected(self) -> bool:
        return self._inner.connected

    async def wait_connected(self, seconds: float) -> bool:
        return await self._inner.wait_connected(seconds)

    async def depth(self, queue: str) -> QueueDepth:
        return await self._inner.depth(queue)

    async def ping(self) -> None:
        await self._inner.ping()


def _end(begun: Span, outcome: PublishFailed | None, *, known: bool) -> None:
    if outcome is not None or not known:
        failed(begun, type(outcome).__name__ if outcome is not None else "unconfirmed")
    begun.end()
