"""What this service reads from its environment."""

from pydantic import Field, SecretStr

from chassis.security.keys import Algorithm
from chassis.settings import DEVELOPMENT_SECRET_KEY, DEVELOPMENT_SERVICE_SECRET, DatabaseUrl, ServiceSettings


class TemplateSettings(ServiceSettings):
    """Every variable has a default for development; production refuses the secrets' defaults."""

    port: int = Field(default=8002, ge=0, le=65_535)
    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/template_service"
    redis_url: str = "redis://localhost:6379/0"
    user_service_url: str = Field(default="http://localhost:8001", description="Who signs access tokens, owns API keys")
    service_secret: SecretStr = Field(default=DEVELOPMENT_SERVICE_SECRET, description="Signs tokens between services")
    algorithm: Algorithm = Field(default="ES256", description="How access tokens are signed; HS256 uses SECRET_KEY")
    secret_key: SecretStr = Field(default=DEVELOPMENT_SECRET_KEY, description="Access tokens, if HS256")

    @property
    def shared_secret(self) -> str | None:
        """The secret that access tokens are signed with; None when the user service's public keys are asked for."""
        return self.secret_key.get_secret_value() if self.algorithm == "HS256" else None
