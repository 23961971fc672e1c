"""Messages between services: one interface, implemented by RabbitMQ and by an in-process broker for the embedded stack."""

from chassis.broker.interface import (
    Broker,
    BrokerUnavailable,
    Consumer,
    Handler,
    IncomingMessage,
    Publication,
    PublishFailed,
    QueueDepth,
    QueueSpec,
    Topology,
    Unroutable,
)
from chassis.broker.memory import MemoryBroker
from chassis.broker.rabbit import QueueType, RabbitBroker, Timing

__all__ = [
    "Broker",
    "BrokerUnavailable",
    "Consumer",
    "Handler",
    "IncomingMessage",
    "MemoryBroker",
    "Publication",
    "PublishFailed",
    "QueueDepth",
    "QueueSpec",
    "QueueType",
    "RabbitBroker",
    "Timing",
    "Topology",
    "Unroutable",
]
