"""The push service's settings, and the path of its migrations."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from chassis.security.service_keys import development_key
from chassis.settings import DatabaseUrl
from contracts.services import PUSH_SERVICE
from delivery.settings import WorkerSettings
from push_service.senders.fcm.google_auth import ServiceAccount, is_loopback, is_plain_http, read_service_account

ALEMBIC = Path(__file__).parent.parent / "alembic"


class PushSettings(WorkerSettings):
    """Each field is read from the environment variable of the same name in capitals."""

    service: ClassVar[str] = PUSH_SERVICE
    service_private_key: SecretStr = SecretStr(development_key(PUSH_SERVICE).private)

    port: int = Field(default=8004, ge=0, le=65_535)
    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/push_service"

    fcm_base_url: str = Field(
        default="https://fcm.googleapis.com", description="Base URL of FCM; another URL is for a simulator"
    )
    fcm_service_account_file: Path | None = Field(
        default=None, description="Path of the JSON key file of the service account"
    )
    fcm_service_account_json: SecretStr | None = Field(
        default=None, description="JSON key of the service account itself; set this or the path"
    )
    fcm_api_key: SecretStr | None = Field(
        default=None, description="Legacy server key. It is never used; the service only notices that it is set"
    )
    fcm_timeout_seconds: float = Field(
        default=15.0, description="Seconds to wait for FCM's answer; Google asks for at least ten", gt=0
    )

    @field_validator("fcm_service_account_file", "fcm_service_account_json", "fcm_api_key", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return value or None

    @field_validator("fcm_base_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        is_plain_http(value)
        return value.rstrip("/")

    @cached_property
    def service_account(self) -> ServiceAccount | None:
        """The configured account, or None. Raises ValueError if the configuration cannot be used."""
        match self.fcm_service_account_file, self.fcm_service_account_json:
            case None, None:
                return None
            case None, SecretStr() as text:
                return _read("FCM_SERVICE_ACCOUNT_JSON", text.get_secret_value())
            case Path() as path, None:
                return _read("FCM_SERVICE_ACCOUNT_FILE", _contents(path))
            case _:
                raise ValueError("set one of FCM_SERVICE_ACCOUNT_FILE and FCM_SERVICE_ACCOUNT_JSON, not both")

    @model_validator(mode="after")
    def _can_send(self) -> Self:
        if self.production and self.service_account is None:
            raise ValueError("set FCM_SERVICE_ACCOUNT_FILE or FCM_SERVICE_ACCOUNT_JSON: nothing can be sent without it")
        return self

    @model_validator(mode="after")
    def _access_tokens_stay_secret(self) -> Self:
        """Plain http is allowed only for a simulator. In production a simulator must be on this host."""
        simulated = is_plain_http(self.fcm_base_url)
        if simulated and self.production and not is_loopback(self.fcm_base_url):
            raise ValueError("FCM_BASE_URL must be https")
        token_uri = self.service_account.token_uri if self.service_account else ""
        may_be_plain = simulated and (is_loopback(token_uri) or not self.production)
        if token_uri and is_plain_http(token_uri) and not may_be_plain:
            raise ValueError("the service account's token_uri must be https")
        return self


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"FCM_SERVICE_ACCOUNT_FILE cannot be read: {error.strerror}") from None


def _read(variable: str, text: str | bytes) -> ServiceAccount:
    try:
        account = read_service_account(text)
        is_plain_http(account.token_uri)
    except ValueError as error:
        raise ValueError(f"{variable} {error}") from None
    return account
