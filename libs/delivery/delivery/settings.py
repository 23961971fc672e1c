"""What every worker reads from its environment."""

from pydantic import Field

from chassis.server_urls import RabbitUrl, RedisUrl, ServiceUrl
from chassis.settings import DataKeySettings
from contracts.peers import PeerSettings


class WorkerSettings(PeerSettings, DataKeySettings):
    """Every field is an environment variable of the same name in capitals. A worker's own settings add its name,
    its key and DATABASE_URL."""

    redis_url: RedisUrl = "redis://localhost:6379/0"
    rabbitmq_url: RabbitUrl = "amqp://guest:guest@localhost:5672/"
    user_service_url: ServiceUrl = "http://localhost:8001"
    template_service_url: ServiceUrl = "http://localhost:8002"

    worker_prefetch_count: int = Field(
        default=150,
        description="Messages of each queue in hand at once; the broker's order ends there",
        gt=0,
        le=10_000,
    )
    worker_beside_urgent: int = Field(
        default=2, description="How many others are claimed at once while urgent notifications come", gt=0
    )
    worker_concurrency: int = Field(default=100, description="Attempts in flight at once, and connections kept", gt=0)
    max_retries: int = Field(
        default=5, description="Attempts after the first one that failed on our side or are in doubt", ge=0, le=100
    )
    retry_window_seconds: float = Field(
        default=21_600.0,
        description='How long what a provider answers "not now" to is tried again, from the first such answer on',
        ge=0,
    )
    retry_base_seconds: float = Field(default=2.0, description="The first pause; each one is twice as long", gt=0)
    retry_longest_seconds: float = Field(default=1_800.0, description="The longest pause between two attempts", gt=0)
    down_retry_seconds: float = Field(default=5.0, description="Wait of a delivery that met a provider down", gt=0)
    breaker_open_seconds: float = Field(default=10.0, description="How long a failing provider is left alone", gt=0)
    heartbeat_seconds: float = Field(default=3.0, gt=0)
    silence_seconds: float = Field(default=15.0, description="Without a heartbeat a worker counts as dead", gt=0)
    lost_grace_seconds: float = Field(
        default=60,
        description="What the ledger handed over so long before what is consumed now, or an empty queue, is lost",
        gt=0,
    )
    sweep_interval_seconds: float = Field(default=1.0, gt=0)
    retention_days: int | None = Field(
        default=None,
        description="Ends in the ledger that are a day older are deleted; unset: everything is kept",
        gt=0,
        le=36_500,
    )
    drain_seconds: float = Field(default=15.0, description="What a stopping worker gives its sends in flight", ge=0)

    @property
    def processes(self) -> int:
        """One, whatever WEB_CONCURRENCY says, which the HTTP services may share an environment for."""
        return 1
