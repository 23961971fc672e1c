"""What every worker needs, whatever its channel: settings, connections, and dependencies."""

from redis.asyncio import Redis

from chassis.broker import Broker, RabbitBroker
from chassis.broker.sharded import sharded
from chassis.broker.tracing import traced
from chassis.observability.tracing import OFF, Tracing
from chassis.postgres.database import Database
from chassis.process.breaker import BreakerPolicy, CircuitBreaker
from chassis.redis.pace import Pace
from chassis.security.data_keys import data_keys
from chassis.server.runtime import Runtime
from contracts.recipients import Channel
from contracts.services import API_GATEWAY, TEMPLATE_SERVICE, USER_SERVICE
from contracts.topology import SPLIT, gateway_topology, worker_topology
from delivery.settings import WorkerSettings
from delivery.worker_holds import GATEWAY_BREAKER_SECONDS, WorkerHolds


class WorkerRuntime(Runtime):
    """Tests and the embedded stack pass `broker` and `redis`."""

    def __init__(
        self,
        settings: WorkerSettings,
        database: Database,
        *,
        channel: Channel,
        redis: Redis | None = None,
        broker: Broker | None = None,
        tracing: Tracing = OFF,
    ) -> None:
        super().__init__(
            database, redis=redis, redis_url=settings.redis_url, service_key=settings.service_key, tracing=tracing
        )
        self.settings = settings
        self.channel = channel
        self.data_keys = data_keys(settings.data_encryption_keys, self.registry)
        self.users = self.client(USER_SERVICE, settings.user_service_url)
        self.templates = self.client(TEMPLATE_SERVICE, settings.template_service_url)
        self.holds = WorkerHolds(
            self.client(
                API_GATEWAY,
                settings.api_gateway_url,
                traced=False,
                breaker=self.breaker(f"{API_GATEWAY}:holds", BreakerPolicy(open_seconds=GATEWAY_BREAKER_SECONDS)),
            )
        )
        shards = settings.queue_shards
        own = broker or RabbitBroker(settings.rabbitmq_url, worker_topology(channel, shards), name=settings.service)
        self.broker = sharded(traced(own, gateway_topology(shards), tracing), SPLIT, shards)
        self.close_with(self.broker.close)
        self.depend_on("database", database.ping_writable, essential=True)
        self.depend_on("rabbitmq", self.broker.ping, essential=True)
        self.depend_on("data_keys", self.data_keys.check)
        self.depend_on("redis", self.redis.ping)
        self.depend_on(USER_SERVICE, self.users.ping)
        self.depend_on(TEMPLATE_SERVICE, self.templates.ping)

    def provider_breaker(self, name: str) -> CircuitBreaker:
        """The breaker of a channel's provider: open for BREAKER_OPEN_SECONDS."""
        return self.breaker(name, BreakerPolicy(open_seconds=self.settings.breaker_open_seconds))

    def pace(self, account: str, per_second: float | None) -> Pace | None:
        """The pace of an account at a provider, for all workers of this channel together; None: as fast as they can."""
        return None if per_second is None else Pace(self.redis, f"{self.channel}:{account}", per_second)
