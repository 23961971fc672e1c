"""What this service reads from its environment."""

from typing import ClassVar

from pydantic import Field, SecretStr

from chassis.server_urls import RedisUrl, ServiceUrl
from chassis.service_keys import development_key
from chassis.settings import DatabaseUrl, TokenSettings
from contracts.lookups import TEMPLATE_SERVICE
from contracts.peers import PeerSettings


class TemplateSettings(PeerSettings, TokenSettings):
    """Every variable has a default for development; production refuses the secrets' defaults."""

    service: ClassVar[str] = TEMPLATE_SERVICE
    service_private_key: SecretStr = SecretStr(development_key(TEMPLATE_SERVICE).private)

    port: int = Field(default=8002, ge=0, le=65_535)
    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/template_service"
    redis_url: RedisUrl = "redis://localhost:6379/0"
    user_service_url: ServiceUrl = Field(
        default="http://localhost:8001", description="Who signs access tokens, owns API keys"
    )
    render_limit_per_minute: int = Field(
        default=600, description="Templates that a caller may save or preview in a minute", gt=0
    )
    render_concurrency: int = Field(
        default=2, description="Templates compiled or rendered at a time, one of each caller: each takes a core", gt=0
    )
