"""Settings of every service, read from the environment (and from a `.env` beside or above the service's folder)."""

import sys
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.fields import plain_message
from chassis.security.data_keys import DataKeysText
from chassis.security.service_keys import MINIMUM_KEY_BYTES, is_weak_key
from chassis.server_urls import DatabaseUrl as DatabaseUrl  # noqa: PLC0414 - re-exported: every service's settings have one
from chassis.server_urls import has_weak_password, password_of

Environment = Literal["development", "production"]
Algorithm = Literal["ES256", "HS256"]
DEVELOPMENT_SECRET_KEY = SecretStr("development-only-secret-key-not-for-production")
OUR_KEYS = ("secret_key", "private_key", "metrics_token")  # the endings of our keys' field names
MAX_SECONDS = 31_536_000  # a year: a longer time is a mistake, and adding it to a time may overflow


def _upper(given: object) -> object:
    return given.strip().upper() if isinstance(given, str) else given


def signing_secret(value: SecretStr) -> str:
    """The secret to sign HS256 with, at least as long as the standard requires.

    A shorter secret, which production refuses, is padded with zero bytes. HMAC does the same (RFC 2104, 2), so the signatures
    are those of the original secret.
    """
    plain = value.get_secret_value()
    return plain + "\0" * (MINIMUM_KEY_BYTES - len(plain.encode()))


class ServiceSettings(BaseSettings):
    """The settings of all services. Each service's own settings extend it.

    Raises pydantic's ValidationError, which names the variable and never its value.
    """

    model_config = SettingsConfigDict(
        env_file=("../.env", ".env"),
        env_file_encoding="utf-8-sig",  # some editors begin a file with a byte order mark
        env_ignore_empty=True,  # `NAME=` in a .env, or an unset variable that compose passes on, means the default
        extra="ignore",
        hide_input_in_errors=True,
        frozen=True,
    )

    environment: Environment = Field(
        default="development",
        description="In `production` weak secrets, a missing METRICS_TOKEN and the development keys end the start",
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = Field(
        default="INFO", description="The least level that is logged"
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object a line, or lines for people"
    )
    host: str = Field(default="0.0.0.0", description="The address that the HTTP side listens on")
    port: int = Field(
        default=8000,
        ge=0,
        le=65_535,
        description="The port that the HTTP side listens on; 8000 to 8004, from the gateway to push; the console 8080",
    )
    max_body_bytes: int = Field(
        default=1_048_576,
        description="Maximum size of a request body, in bytes. A larger value costs more memory per request",
        gt=0,
    )
    docs_enabled: bool = Field(default=True, description="Serve /docs, /redoc and /openapi.json")
    metrics_token: SecretStr | None = Field(
        default=None, description="Bearer token that /metrics requires. Unset: no token is required"
    )
    forwarded_allow_ips: str = Field(
        default="127.0.0.1,::1", description="Proxies whose X-Forwarded-For header is trusted"
    )
    max_connections_per_address: int = Field(
        default=1_000,
        description="Maximum number of simultaneous connections from one address that is not a proxy. 0: no limit",
        ge=0,
    )
    web_concurrency: int = Field(
        default=1,
        description="Number of processes of an HTTP service on one port. Each opens up to 2 x DATABASE_POOL_SIZE connections",
        ge=1,
        le=64,
    )

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def proxies(self) -> tuple[str, ...]:
        return tuple(self.forwarded_allow_ips.split(",")) if self.forwarded_allow_ips else ()

    @property
    def processes(self) -> int:
        """The number of processes that serve on the port."""
        return self.web_concurrency

    @property
    def weak_keys(self) -> list[str]:
        """The variables of our own keys that are used and are default or easy to guess. In production there are none."""
        return [name.upper() for name, key in self._keys() if is_weak_key(key.get_secret_value())]

    @property
    def weak_logins(self) -> list[str]:
        """The variables of server addresses with a password that is easy to guess. In production there are none."""
        return [name.upper() for name, value in self._addresses() if has_weak_password(value)]

    @property
    def unused_keys(self) -> frozenset[str]:
        """Fields of our own keys that the service does not use in this configuration, and so does not require."""
        return frozenset()

    def _keys(self) -> list[tuple[str, SecretStr]]:
        """Only our own keys, those of `OUR_KEYS`. A provider chooses its own passwords."""
        return [
            (name, value)
            for name, value in self
            if isinstance(value, SecretStr) and name.endswith(OUR_KEYS) and name not in self.unused_keys
        ]

    def _addresses(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self if name.endswith("_url")]

    def _equal_secrets(self) -> list[str]:
        """Finds keys with equal values: one leaked secret must not open a second door."""
        secrets = [(name.upper(), key.get_secret_value()) for name, key in self._keys()]
        secrets += [(name.upper(), password) for name, url in self._addresses() if (password := password_of(url))]
        return [name for name, value in secrets if sum(value == other for _, other in secrets) > 1]

    @field_validator("*")
    @classmethod
    def _is_at_most_a_year(cls, value: object, info: ValidationInfo) -> object:
        if str(info.field_name).endswith("_seconds") and isinstance(value, int | float) and value > MAX_SECONDS:
            raise ValueError(f"is more than a year ({MAX_SECONDS} seconds)")
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        """uvicorn would take any other value for the name of a Unix socket, and trust no proxy."""
        given = [one.strip() for one in value.split(",") if one.strip()]
        if given != ["*"] and not all(_is_network(one) for one in given):
            raise ValueError("takes addresses and networks with commas between them, or a lone *")
        return ",".join(given)

    @model_validator(mode="after")
    def _keys_are_usable(self) -> Self:
        """In production a default or short key stops the start. The message names the variable, not its value."""
        wanting = [*self.weak_keys, *(["METRICS_TOKEN"] if self.metrics_token is None else [])]
        if self.production and wanting:
            raise ValueError(f"set {MINIMUM_KEY_BYTES} random bytes or more, no default: {', '.join(wanting)}")
        if self.production and self.weak_logins:
            raise ValueError(f"set a user and a long password of your own: {', '.join(self.weak_logins)}")
        if self.production and (same := self._equal_secrets()):
            raise ValueError(f"give each a value of its own: {', '.join(same)}")
        return self


class DatabaseSettings(ServiceSettings):
    """The settings of services that have a database."""

    database_url: DatabaseUrl = Field(
        default="postgresql+asyncpg://postgres:postgres@localhost:5432/notifications",
        description="The service's own database: `postgresql+asyncpg://user:password@host/database`. Several servers, a "
        "primary and its standbys: `host1:5432,host2:5432`",
    )


class DataKeySettings(DatabaseSettings):
    """The settings of services that store personal values."""

    data_encryption_keys: DataKeysText = Field(
        default=None,
        description="Keys that encrypt personal values in the database: `id:key`, separated by commas; a key is 32 random "
        "bytes in "
        "base64. The first key encrypts, all keys decrypt. `plain` as the first entry stops encryption. Unset: off",
    )


class TokenSettings(ServiceSettings):
    """The settings of services that people use.

    These services check access tokens, with the user service's public keys (ES256) or with SECRET_KEY (HS256), and keep an
    audit trail.
    """

    secret_key: SecretStr = Field(
        default=DEVELOPMENT_SECRET_KEY, description="Secret that signs access tokens with HS256"
    )
    algorithm: Annotated[Algorithm, BeforeValidator(_upper)] = Field(
        default="ES256", description="Algorithm that signs access tokens. HS256 uses SECRET_KEY"
    )
    audit_retention_days: int = Field(
        default=365,
        description="Age in days after which audit events are deleted. A larger value costs disk space",
        gt=0,
        le=18_250,
    )

    @property
    def shared_secret(self) -> str | None:
        """The secret that signs access tokens. None if the user service's public keys are used."""
        return signing_secret(self.secret_key) if self.algorithm == "HS256" else None

    @property
    def unused_keys(self) -> frozenset[str]:
        return frozenset() if self.algorithm == "HS256" else frozenset({"secret_key"})

    @model_validator(mode="after")
    def _shared_secret_is_text(self) -> Self:
        if self.shared_secret is not None and "-----BEGIN" in self.shared_secret:
            raise ValueError("SECRET_KEY is a PEM, a key of another kind: it takes random text")
        return self


Settings = TypeVar("Settings", bound=ServiceSettings)


class WrongSettings(Exception):
    """The settings cannot be used: one line per problem, without values."""


def read_settings(kind: type[Settings], **given: Any) -> Settings:
    """Reads the settings; those in `given` are not looked for in the environment. Raises WrongSettings."""
    try:
        return kind(**given)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(step) for step in problem['loc']).upper() or 'settings'}: {plain_message(problem['msg'])}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
    except (OSError, UnicodeDecodeError) as error:  # the message of UnicodeDecodeError would quote the file
        problems = [f".env cannot be read: {error.strerror if isinstance(error, OSError) else 'it is not UTF-8'}"]
    raise WrongSettings("\n".join(f"{kind.__name__}: {problem}" for problem in problems))


def load_settings(kind: type[Settings]) -> Settings:
    """Reads the settings. On errors it ends the process with status 2 and one line per problem, without values."""
    try:
        return read_settings(kind)
    except WrongSettings as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
