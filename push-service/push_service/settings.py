"""The push service's settings, and the path of its migrations."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from chassis.security.service_keys import development_key
from chassis.settings import DatabaseUrl
from contracts.recipients import ApnsEnvironment
from contracts.services import PUSH_SERVICE
from contracts.web_push import WebPushSettings
from delivery.settings import WorkerSettings
from push_service.senders.apns.token import ApnsKey
from push_service.senders.es256 import SigningKey, read_signing_key
from push_service.senders.fcm.google_auth import ServiceAccount, is_loopback, is_plain_http, read_service_account

ALEMBIC = Path(__file__).parent.parent / "alembic"
APPLE_ID = r"^([A-Z0-9]{10})?$"
APNS_URL, APNS_SANDBOX_URL = "https://api.push.apple.com", "https://api.sandbox.push.apple.com"
APNS_SANDBOX_HOSTS = {"api.sandbox.push.apple.com", "api.development.push.apple.com"}
CONTACT = re.compile(r"(mailto:[^@\s?]+@|https://)([a-z0-9-]+\.)+[a-z]{2,}(/[!-~]*)?", re.IGNORECASE)


@dataclass(frozen=True)
class ApnsEndpoints:
    """The URLs of both environments. `default` is the environment of devices that name none."""

    default: ApnsEnvironment
    production: str
    sandbox: str


class PushSettings(WorkerSettings, WebPushSettings):
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
    fcm_per_second: float | None = Field(
        default=None,
        description="Notifications that all push workers together send over FCM in a second at most; unset: as many as they "
        "can. The project's quota is 600,000 calls a minute by default; a notification to several devices makes a call for "
        "each. Without Redis each process keeps the pace alone",
        gt=0,
        allow_inf_nan=False,
    )

    vapid_private_key: SecretStr | None = Field(
        default=None,
        description="Private key that push services know us by (VAPID, P-256): PEM, or its 32 bytes in base64url. Unset: "
        "notifications for browsers wait",
    )
    vapid_private_key_file: Path | None = Field(
        default=None, description="Path of a file with that key; set this or the key"
    )
    vapid_subject: str | None = Field(
        default=None,
        description="Address that push services may write to: a real `mailto:` or `https:` one. Apple refuses others",
    )
    web_push_timeout_seconds: float = Field(
        default=15.0, description="Seconds to wait for the answer of a browser's push service", gt=0
    )

    apns_private_key: SecretStr | None = Field(
        default=None,
        description="Key of the team at Apple for APNs: the content of the .p8 file. Unset: its devices' notifications wait",
    )
    apns_private_key_file: Path | None = Field(default=None, description="Path of the .p8 file; set this or the key")
    apns_key_id: str = Field(default="", description="Id of that key, ten characters", pattern=APPLE_ID)
    apns_team_id: str = Field(default="", description="Id of the team, ten characters", pattern=APPLE_ID)
    apns_topic: str = Field(
        default="", description="The app: its bundle id", pattern=r"^([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)?$"
    )
    apns_environment: ApnsEnvironment = Field(
        default="production",
        description="The environment of APNs of devices that were registered without one: `production` (apps from the App "
        "Store and TestFlight) or `sandbox` (apps that Xcode installed)",
    )
    apns_base_url: str = Field(
        default=APNS_URL,
        description="APNs for production; another URL is for a simulator. As in earlier releases, the sandbox's URL means "
        "APNS_ENVIRONMENT=sandbox",
    )
    apns_sandbox_base_url: str = Field(
        default=APNS_SANDBOX_URL, description="APNs for the sandbox; another URL is for a simulator"
    )
    apns_timeout_seconds: float = Field(default=15.0, description="Seconds to wait for the answer of APNs", gt=0)

    @field_validator("fcm_service_account_file", "fcm_service_account_json", "fcm_api_key", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return value or None

    @field_validator("fcm_base_url", "apns_base_url", "apns_sandbox_base_url")
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
                return _read("FCM_SERVICE_ACCOUNT_FILE", _contents("FCM_SERVICE_ACCOUNT_FILE", path))
            case _:
                raise ValueError("set one of FCM_SERVICE_ACCOUNT_FILE and FCM_SERVICE_ACCOUNT_JSON, not both")

    @cached_property
    def vapid_key(self) -> SigningKey | None:
        """The configured key, or None. Raises ValueError if the configuration cannot be used."""
        return read_key("VAPID_PRIVATE_KEY", self.vapid_private_key, self.vapid_private_key_file)

    @cached_property
    def apns_key(self) -> ApnsKey | None:
        """Like `vapid_key`."""
        key = read_key("APNS_PRIVATE_KEY", self.apns_private_key, self.apns_private_key_file)
        return None if key is None else ApnsKey(key, self.apns_key_id, self.apns_team_id)

    @cached_property
    def apns(self) -> ApnsEndpoints:
        """In earlier releases APNS_BASE_URL alone chose the environment, of all devices."""
        if urlsplit(self.apns_base_url).hostname in APNS_SANDBOX_HOSTS:
            return ApnsEndpoints("sandbox", APNS_URL, self.apns_base_url)
        return ApnsEndpoints(self.apns_environment, self.apns_base_url, self.apns_sandbox_base_url)

    @field_validator("vapid_subject")
    @classmethod
    def _is_a_contact(cls, value: str | None) -> str | None:
        if value is not None and not CONTACT.fullmatch(value):
            raise ValueError("is no mailto: or https: address on a public domain")
        return value

    @model_validator(mode="after")
    def _can_send(self) -> Self:
        if self.vapid_key is not None and self.vapid_subject is None:
            raise ValueError("set VAPID_SUBJECT: push services require an address to write to")
        if self.apns_key is not None and not (self.apns_key_id and self.apns_team_id and self.apns_topic):
            raise ValueError("set APNS_KEY_ID, APNS_TEAM_ID and APNS_TOPIC, too")
        accounts = (self.service_account, self.vapid_key, self.apns_key)
        if self.production and accounts == (None, None, None):
            raise ValueError("set FCM_SERVICE_ACCOUNT_FILE, VAPID_PRIVATE_KEY or APNS_PRIVATE_KEY: nothing can be sent")
        return self

    @model_validator(mode="after")
    def _access_tokens_stay_secret(self) -> Self:
        """Plain http is allowed only for a simulator. In production a simulator must be on this host."""
        simulated = is_plain_http(self.fcm_base_url)
        urls = {
            "FCM_BASE_URL": self.fcm_base_url,
            "APNS_BASE_URL": self.apns_base_url,
            "APNS_SANDBOX_BASE_URL": self.apns_sandbox_base_url,
        }
        for name, url in urls.items():
            if self.production and is_plain_http(url) and not is_loopback(url):
                raise ValueError(f"{name} must be https")
        token_uri = self.service_account.token_uri if self.service_account else ""
        may_be_plain = simulated and (is_loopback(token_uri) or not self.production)
        if token_uri and is_plain_http(token_uri) and not may_be_plain:
            raise ValueError("the service account's token_uri must be https")
        return self


def _contents(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{variable} cannot be read: {error.strerror}") from None


def read_key(variable: str, text: SecretStr | None, path: Path | None) -> SigningKey | None:
    """The key in `variable`, or in the file that `variable`_FILE names. Raises ValueError."""
    if text is not None and path is not None:
        raise ValueError(f"set one of {variable} and {variable}_FILE, not both")
    given = _contents(f"{variable}_FILE", path) if path is not None else text.get_secret_value() if text else None
    if given is None:
        return None
    try:
        return read_signing_key(given)
    except ValueError as error:
        raise ValueError(f"{variable if path is None else variable + '_FILE'} {error}") from None


def _read(variable: str, text: str | bytes) -> ServiceAccount:
    try:
        account = read_service_account(text)
        is_plain_http(account.token_uri)
    except ValueError as error:
        raise ValueError(f"{variable} {error}") from None
    return account
