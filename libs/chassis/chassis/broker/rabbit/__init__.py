"""RabbitMQ behind the broker interface."""

from chassis.broker.rabbit.broker import RabbitBroker
from chassis.broker.rabbit.timeouts import Timing
from chassis.broker.rabbit.topology import QueueType

__all__ = ["QueueType", "RabbitBroker", "Timing"]
