"""The settings that all workers share."""

from pydantic import Field

from chassis.server_urls import RabbitUrl, RedisUrl, ServiceUrl
from chassis.settings import DataKeySettings
from contracts.services import PeerSettings
from contracts.topology import QueueShards


class WorkerSettings(PeerSettings, DataKeySettings):
    """Each field is read from the environment variable of the same name in capitals.

    A worker's own settings add its name, its key and DATABASE_URL.
    """

    redis_url: RedisUrl = Field(
        default="redis://localhost:6379/0",
        description="Redis for caches and rate limits. The service works without it, more slowly. A primary and its "
        "replicas: `host1:6379,host2:6379`",
    )
    rabbitmq_url: RabbitUrl = Field(
        default="amqp://guest:guest@localhost:5672/",
        description="RabbitMQ, with a user of the service's own. The nodes of a cluster: `host1:5672,host2:5672,host3:5672`",
    )
    queue_shards: QueueShards = 1
    user_service_url: ServiceUrl = Field(default="http://localhost:8001", description="Base URL of the user service")
    template_service_url: ServiceUrl = Field(
        default="http://localhost:8002", description="Base URL of the template service"
    )

    api_gateway_url: ServiceUrl = Field(
        default="http://localhost:8000",
        description="Base URL of the gateway. Workers ask it which notifications are held; the e-mail worker fetches "
        "attachments from it",
    )

    worker_prefetch_count: int = Field(
        default=150,
        description="Messages that a worker takes from each queue ahead of processing them. The broker no longer orders "
        "these by priority, so a larger value delays urgent notifications",
        gt=0,
        le=10_000,
    )
    worker_beside_urgent: int = Field(
        default=2,
        description="Notifications that are not urgent and may be prepared at once while urgent ones arrive. A larger value "
        "delays the urgent ones",
        gt=0,
    )
    worker_concurrency: int = Field(
        default=100, description="Attempts in flight at once, and connections to the provider that are kept open", gt=0
    )
    max_retries: int = Field(
        default=5,
        description="Attempts after the first one, for failures on our side and for ambiguous attempts",
        ge=0,
        le=100,
    )
    retry_window_seconds: float = Field(
        default=21_600.0,
        description='Seconds that a delivery is retried while the provider answers "not now", counted from the first such '
        "answer",
        ge=0,
    )
    retry_base_seconds: float = Field(
        default=2.0, description="Seconds before the first retry; each further pause is twice as long", gt=0
    )
    retry_longest_seconds: float = Field(
        default=1_800.0, description="Upper bound in seconds of the pause between two attempts", gt=0
    )
    down_retry_seconds: float = Field(
        default=5.0,
        description="Seconds before a delivery is tried again after its provider was down, up to twice as many",
        gt=0,
    )
    breaker_open_seconds: float = Field(
        default=10.0,
        description="Seconds without calls to a provider after its circuit breaker opens. A larger value resumes later after "
        "an outage",
        gt=0,
    )
    heartbeat_seconds: float = Field(
        default=3.0, gt=0, description="Seconds between two heartbeats of a worker; well below SILENCE_SECONDS"
    )
    silence_seconds: float = Field(
        default=15.0,
        description="Seconds without a heartbeat after which a worker counts as dead. A larger value takes over its "
        "deliveries later",
        gt=0,
    )
    lost_grace_seconds: float = Field(
        default=60,
        description="Seconds. A message that the ledger published is lost when the workers have consumed messages published "
        "this much later, or its queue has been empty for this long. A larger value finds lost messages later",
        gt=0,
    )
    sweep_interval_seconds: float = Field(
        default=1.0,
        gt=0,
        description="Seconds between two searches for due retries. Each search costs a query",
    )
    retention_days: int | None = Field(
        default=None,
        description="Finished deliveries are deleted from the ledger when they are one day older than this many days; unset: "
        "all are kept",
        gt=0,
        le=36_500,
    )
    drain_seconds: float = Field(
        default=15.0,
        description="Seconds that a stopping worker waits for its attempts in flight. A larger value delays the stop",
        ge=0,
    )

    @property
    def processes(self) -> int:
        """Always one. The HTTP services read WEB_CONCURRENCY; a worker ignores it, but may share their environment."""
        return 1
