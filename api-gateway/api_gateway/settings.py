"""What the gateway reads from its environment."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from chassis.fields import listed
from chassis.server_urls import RabbitUrl, RedisUrl, ServiceUrl
from chassis.service_keys import development_key
from chassis.settings import DatabaseUrl, DataKeySettings, TokenSettings
from contracts.lookups import API_GATEWAY
from contracts.peers import PeerSettings

ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


class GatewaySettings(PeerSettings, TokenSettings, DataKeySettings):
    """Every field is an environment variable of the same name in capitals."""

    service: ClassVar[str] = API_GATEWAY
    service_private_key: SecretStr = SecretStr(development_key(API_GATEWAY).private)

    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/api_gateway"
    redis_url: RedisUrl = "redis://localhost:6379/0"
    rabbitmq_url: RabbitUrl = "amqp://guest:guest@localhost:5672/"
    queue_type: Literal["classic", "quorum"] = "classic"
    user_service_url: ServiceUrl = "http://localhost:8001"
    template_service_url: ServiceUrl = "http://localhost:8002"
    email_service_url: ServiceUrl = "http://localhost:8003"
    push_service_url: ServiceUrl = "http://localhost:8004"

    max_body_bytes: int = Field(default=4_194_304, description="A batch of 1,000 fits", gt=0)
    rate_limit_per_minute: int = Field(default=60_000, description="Requests a caller may make in a minute", gt=0)
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=(),
        description="Origins whose pages may call the API from a browser, with commas between them; `*`: any",
    )
    stranger_limit_per_minute: int = Field(
        default=1_200,
        description="Requests to other services without good credentials, of one address in a minute",
        gt=0,
    )
    recipient_limit_per_hour: int | None = Field(
        default=None,
        description="Notifications that one person may be sent in an hour, urgent ones apart; unset: any number",
        gt=0,
    )
    users_may_send: bool = Field(
        default=False, description="May people send, to themselves; else applications and administrators do"
    )
    database_pool_size: int = Field(default=10, gt=0)

    lease_seconds: float = Field(default=30, description="How long the accepting process has to publish", gt=0)
    queued_mark_seconds: float = Field(
        default=0.75,
        description="How long a row that was published waits for its report before it is marked as queued: longer saves "
        "writes where providers are slow, and shows `pending` for longer",
        ge=0,
    )
    relay_interval_seconds: float = Field(default=1.0, gt=0)
    deferred_retry_seconds: float = Field(default=5.0, description="Between look-ups of what was deferred", gt=0)
    lost_grace_seconds: float = Field(
        default=60,
        description="What was published so long before what is consumed now, or an empty queue, is lost",
        gt=0,
    )
    report_silence_seconds: float = Field(
        default=15,
        description="The workers' ledgers are asked about what has been silent for so long since it was queued",
        gt=0,
    )
    retention_days: int | None = Field(
        default=None, description="What ended and is older is deleted; unset: everything is kept", gt=0, le=36_500
    )
    reconcile_interval_seconds: float = Field(
        default=60, description="Between two readings of what is unaccounted for and how old the oldest is", gt=0
    )

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(one != "*" and ORIGIN.fullmatch(one) is None for one in value):
            raise ValueError("takes origins like https://app.example.com, without a path, or *")
        return value
