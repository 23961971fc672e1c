"""The template service's settings, and the path of its migrations."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from chassis.security.service_keys import development_key
from chassis.server_urls import RedisUrl, ServiceUrl
from chassis.settings import DatabaseUrl, TokenSettings
from contracts.senders import SenderDomains
from contracts.services import TEMPLATE_SERVICE, PeerSettings

ALEMBIC = Path(__file__).parent.parent / "alembic"


class TemplateSettings(PeerSettings, TokenSettings):
    """Each variable has a default for development. Production rejects the default secrets."""

    service: ClassVar[str] = TEMPLATE_SERVICE
    service_private_key: SecretStr = SecretStr(development_key(TEMPLATE_SERVICE).private)

    port: int = Field(default=8002, ge=0, le=65_535)
    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/template_service"
    redis_url: RedisUrl = Field(
        default="redis://localhost:6379/0",
        description="Redis for caches and rate limits. The service works without it, more slowly. A primary and its "
        "replicas: `host1:6379,host2:6379`",
    )
    user_service_url: ServiceUrl = Field(
        default="http://localhost:8001",
        description="URL of the user service, which signs access tokens and owns the API keys",
    )
    sender_domains: SenderDomains = Field(
        default=(),
        description="Domains whose addresses templates may send e-mail from: the list of the user service. Empty: none",
    )
    render_limit_per_minute: int = Field(
        default=600, description="Templates that one caller may save or preview per minute", gt=0
    )
    render_concurrency: int = Field(
        default=2,
        description="Templates compiled or rendered at once, at most one for each caller. Each one keeps a CPU core busy",
        gt=0,
    )
