"""Settings every service has, read from the environment (and a `.env` beside or above the service's folder)."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Environment = Literal["development", "production"]
MINIMUM_KEY_BYTES = 32
EMBEDDED_KEY_PREFIX = "development-only-"  # keys that start so are printed in public files: never for production
DEVELOPMENT_SECRET_KEY = SecretStr("development-only-secret-key-not-for-production")
DEVELOPMENT_SERVICE_SECRET = SecretStr("development-only-service-secret-not-for-production")


def _asyncpg(url: str) -> str:
    """`postgres://` and `postgresql://` mean the driver we have (SQLAlchemy 2.1 would take them for psycopg)."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+asyncpg://{rest}" if separator and scheme in {"postgres", "postgresql"} else url


DatabaseUrl = Annotated[str, AfterValidator(_asyncpg)]


class ServiceSettings(BaseSettings):
    """What all five services read. A service's own settings extend it.

    Raises pydantic's ValidationError, which names the variable and never its value.
    """

    model_config = SettingsConfigDict(
        env_file=("../.env", ".env"),
        env_file_encoding="utf-8",
        env_ignore_empty=True,  # `NAME=` in a .env, or a variable that compose passes on unset, means the default
        extra="ignore",
        hide_input_in_errors=True,
        frozen=True,
    )

    environment: Environment = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    host: str = "0.0.0.0"
    port: int = Field(default=8000, ge=0, le=65_535)
    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/notifications"
    max_body_bytes: int = Field(default=1_048_576, description="Largest request body, in bytes", gt=0)
    docs_enabled: bool = True

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @model_validator(mode="after")
    def _keys_are_strong(self) -> Self:
        """In production a default or short key of ours stops the start; the message names the variable, not its value."""
        weak = [name.upper() for name, value in self if isinstance(value, SecretStr) and _is_weak_key(name, value)]
        if self.production and weak:
            raise ValueError(f"set {MINIMUM_KEY_BYTES} random bytes or more, no default: {', '.join(weak)}")
        return self


def _is_weak_key(name: str, value: SecretStr) -> bool:
    """Only keys of our own (`*_secret`, `*_secret_key`): a password that a provider gave us is the provider's choice."""
    if not name.endswith(("secret", "secret_key")):
        return False
    plain = value.get_secret_value()
    return len(plain.encode()) < MINIMUM_KEY_BYTES or plain.startswith(EMBEDDED_KEY_PREFIX)
