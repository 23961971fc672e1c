"""The gateway's settings, and the path of its migrations."""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from chassis.fields import listed
from chassis.security.service_keys import development_key
from chassis.server_urls import RabbitUrl, RedisUrl, ServiceUrl
from chassis.settings import DatabaseUrl, DataKeySettings, TokenSettings
from contracts.services import API_GATEWAY, PeerSettings
from contracts.topology import QueueShards
from contracts.web_push import WebPushSettings

ALEMBIC = Path(__file__).parent.parent / "alembic"


ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


class GatewaySettings(PeerSettings, TokenSettings, DataKeySettings, WebPushSettings):
    """Each field is read from the environment variable of the same name in capitals."""

    service: ClassVar[str] = API_GATEWAY
    service_private_key: SecretStr = SecretStr(development_key(API_GATEWAY).private)

    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/api_gateway"
    redis_url: RedisUrl = Field(
        default="redis://localhost:6379/0",
        description="Redis for caches and rate limits. The service works without it, more slowly. A primary and its "
        "replicas: `host1:6379,host2:6379`",
    )
    rabbitmq_url: RabbitUrl = Field(
        default="amqp://guest:guest@localhost:5672/",
        description="RabbitMQ, with a user of the service's own. The nodes of a cluster: `host1:5672,host2:5672,host3:5672`",
    )
    queue_type: Literal["classic", "quorum"] = Field(
        default="classic",
        description="Type of the queues that the gateway declares. `quorum` is for a cluster; it cannot be changed later",
    )
    queue_shards: QueueShards = 1
    user_service_url: ServiceUrl = Field(default="http://localhost:8001", description="Base URL of the user service")
    template_service_url: ServiceUrl = Field(
        default="http://localhost:8002", description="Base URL of the template service"
    )
    email_service_url: ServiceUrl = Field(
        default="http://localhost:8003",
        description="Base URL of any e-mail worker. The gateway asks it about its ledger",
    )
    push_service_url: ServiceUrl = Field(
        default="http://localhost:8004", description="Base URL of any push worker. The gateway asks it about its ledger"
    )

    max_body_bytes: int = Field(
        default=4_194_304,
        description="Largest request body in bytes; the default fits a batch of 1,000. A larger value needs more memory "
        "for each request",
        gt=0,
    )
    max_attachment_body_bytes: int = Field(
        default=10_485_760,
        description="Largest body of one notification with attachments, in base64; 7 MiB of them fit into the default. Needs "
        "a Content-Length. A value up to MAX_BODY_BYTES allows no larger bodies than others",
        gt=0,
        le=16_777_216,
    )
    large_bodies_at_once: int = Field(
        default=4,
        description="Single notifications of more than 1 MiB that a process reads at once, one of each caller; further ones "
        "wait. Each may take about five times MAX_ATTACHMENT_BODY_BYTES of memory",
        gt=0,
        le=100,
    )
    attachment_urls: Literal["off", "public", "any"] = Field(
        default="off",
        description="Attachments by URL: `off`: refused; `public`: fetched through https from public addresses alone; `any`: "
        "also through http and from private addresses, for development: callers read what the gateway can reach",
    )
    attachment_fetches_at_once: int = Field(
        default=4,
        description="Notifications whose attachments a process fetches at once, at most half of them for one caller; "
        "further ones wait. Each may take 30 MB of memory",
        gt=0,
        le=100,
    )
    rate_limit_per_minute: int = Field(default=60_000, description="Requests that one caller may make per minute", gt=0)
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=(),
        description="Comma-separated origins whose pages may call the API from a browser; `*` allows every origin",
    )
    stranger_limit_per_minute: int = Field(
        default=1_200,
        description="Requests per minute from one IP address that are forwarded to another service without valid credentials",
        gt=0,
    )
    webhook_limit_per_minute: int = Field(
        default=6_000,
        description="Webhooks of e-mail providers that are taken from one IP address per minute. A provider sends up to two "
        "for each mail, from a few addresses, and repeats refused ones later",
        gt=0,
    )
    recipient_limit_per_hour: int | None = Field(
        default=None,
        description="Notifications that one person may receive per hour, not counting urgent ones; unset: no limit",
        gt=0,
    )
    users_may_send: bool = Field(
        default=False,
        description="Whether signed-in users may send notifications to themselves; if not, only applications and "
        "administrators may send",
    )
    database_pool_size: int = Field(
        default=10,
        gt=0,
        description="Connections that a process keeps for transactions, and as many for single statements",
    )

    lease_seconds: float = Field(
        default=30,
        description="Seconds that the process which accepted a notification has to publish it; then a relay publishes it. "
        "A larger value delays notifications of a process that died",
        gt=0,
    )
    queued_mark_seconds: float = Field(
        default=0.75,
        description="Seconds that a published row waits for a worker's report before it is marked as queued. A larger value "
        "saves writes when providers are slow, and shows `pending` for longer",
        ge=0,
    )
    relay_interval_seconds: float = Field(
        default=1.0,
        gt=0,
        description="Seconds between two searches for due notifications. A smaller value costs a query each",
    )
    deferred_retry_seconds: float = Field(
        default=5.0,
        description="Seconds between two look-ups of a notification whose recipient or template could not be looked up",
        gt=0,
    )
    lost_grace_seconds: float = Field(
        default=60,
        description="Seconds. A message that no worker has reported on is lost when workers have consumed messages published "
        "this much later, or its queue has been empty for this long. A larger value finds lost messages later",
        gt=0,
    )
    report_silence_seconds: float = Field(
        default=15,
        description="Seconds that a queued notification may go without a report before the gateway asks the workers' "
        "ledgers about it. A larger value finds lost reports later",
        gt=0,
    )
    retention_days: int | None = Field(
        default=None,
        description="Notifications that ended more than this many days ago are deleted; unset: all are kept. A larger value "
        "needs more disk space",
        gt=0,
        le=36_500,
    )
    reconcile_interval_seconds: float = Field(
        default=60,
        description="Seconds between two measurements of the unaccounted notifications and of the age of the oldest waiting "
        "one. A larger value shows a problem later",
        gt=0,
    )

    @field_validator("attachment_urls")
    @classmethod
    def _is_for_development(cls, value: str, info: ValidationInfo) -> str:
        if value == "any" and info.data.get("environment") == "production":
            raise ValueError("must be off or public in production")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(one != "*" and ORIGIN.fullmatch(one) is None for one in value):
            raise ValueError("takes origins like https://app.example.com, without a path, or *")
        return value
