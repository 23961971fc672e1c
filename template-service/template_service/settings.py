"""What this service reads from its environment."""

from pydantic import Field, SecretStr

from chassis.server_urls import RedisUrl, ServiceUrl
from chassis.settings import DEVELOPMENT_SERVICE_SECRET, DatabaseUrl, TokenSettings


class TemplateSettings(TokenSettings):
    """Every variable has a default for development; production refuses the secrets' defaults."""

    port: int = Field(default=8002, ge=0, le=65_535)
    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/template_service"
    redis_url: RedisUrl = "redis://localhost:6379/0"
    user_service_url: ServiceUrl = Field(
        default="http://localhost:8001", description="Who signs access tokens, owns API keys"
    )
    service_secret: SecretStr = Field(default=DEVELOPMENT_SERVICE_SECRET, description="Signs tokens between services")
