"""The console's settings."""

from typing import Final

from pydantic import Field, SecretStr

from chassis.server_urls import ServiceUrl
from chassis.settings import ServiceSettings

CONSOLE: Final = "console"
DEVELOPMENT_CONSOLE_SECRET_KEY = SecretStr("development-only-console-secret-key-not-for-production")


class ConsoleSettings(ServiceSettings):
    """Each field is read from the environment variable of the same name in capitals."""

    port: int = Field(default=8080, ge=0, le=65_535)
    api_gateway_url: ServiceUrl = Field(
        default="http://localhost:8000", description="Base URL of the gateway, the only service that the console asks"
    )
    public_url: str = Field(
        default="",
        description="The gateway's address for people. It is in the commands that the console shows; unset: API_GATEWAY_URL",
        max_length=200,
        pattern=r"^(https?://[A-Za-z0-9.:\-\[\]]+/?)?$",
    )
    console_secret_key: SecretStr = Field(
        default=DEVELOPMENT_CONSOLE_SECRET_KEY,
        description="Secret that encrypts the console's session cookies. A new one ends every session",
    )
    console_session_hours: float = Field(
        default=12, description="Hours after which people log in to the console again", gt=0, le=720
    )

    @property
    def shown_url(self) -> str:
        """The gateway's address in commands for people."""
        return (self.public_url or self.api_gateway_url).rstrip("/")

    @property
    def processes(self) -> int:
        """One: a process remembers for a moment which refresh token became which."""
        return 1
