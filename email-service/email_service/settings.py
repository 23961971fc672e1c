"""The e-mail service's settings, and the path of its migrations."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Self

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from chassis.security.service_keys import development_key
from chassis.settings import DatabaseUrl
from contracts.addresses import parse_sender
from contracts.services import EMAIL_SERVICE
from email_service.provider_headers import ServiceName
from email_service.senders.smtp.provider import ProviderName, SmtpProvider, TlsMode, a_host
from email_service.webhook_settings import WebhookSettings

ALEMBIC = Path(__file__).parent.parent / "alembic"

DEFAULT_PROVIDER = "smtp"


def _parsed(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        return orjson.loads(given or "{}")
    except ValueError:
        raise ValueError("is not JSON") from None


class EmailSettings(WebhookSettings):
    """Each field is read from the environment variable of the same name in capitals."""

    service: ClassVar[str] = EMAIL_SERVICE
    service_private_key: SecretStr = SecretStr(development_key(EMAIL_SERVICE).private)

    port: int = Field(default=8003, ge=0, le=65_535)
    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/email_service"

    attachment_memory_bytes: int = Field(
        default=33_554_432,
        gt=0,
        description="Bytes of attachments that a worker holds at once; further mails with attachments wait. Building and "
        "sending them takes about four times as much memory",
    )

    email_providers: Annotated[dict[ProviderName, SmtpProvider], NoDecode, BeforeValidator(_parsed)] = Field(
        default_factory=dict,
        description="Several mail servers in place of the one of SMTP_HOST: JSON with a block for each name, "
        '`{"ses": {"host": "…", "user": "…", "password": "…"}, "backup": {"host": "…", "order": 2}}`. See '
        "docs/how-to/email-providers.md",
    )
    email_domain_throttle: bool = Field(
        default=True,
        description="Send fewer messages at once to a recipients' domain that refuses some for now, and pause it when it "
        "refuses several in a row. See docs/how-to/email-providers.md",
    )
    email_domain_connections: int | None = Field(
        default=None,
        description="Most messages, each on a connection of its own, that every worker process sends to one recipients' "
        "domain at once while EMAIL_DOMAIN_THROTTLE is on: three processes together send three times as many. Unset: up to "
        "WORKER_CONCURRENCY. A smaller value delays the mail of large domains",
        ge=1,
        le=10_000,
    )
    smtp_host: Annotated[str, AfterValidator(a_host)] = Field(default="localhost", description="The mail server")
    smtp_port: int = Field(default=1025, ge=1, le=65_535, description="The mail server's port")
    smtp_user: str = Field(default="", description="User name of the SMTP login; empty: no login")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="Password for SMTP_USER")
    smtp_tls: TlsMode = Field(
        default="auto",
        description="auto: implicit TLS on port 465, otherwise STARTTLS, which in production every host except this one must "
        "offer",
    )
    smtp_service: ServiceName | None = Field(
        default=None,
        description="Whose mail server it is, if it should get the tag, stream and metadata of a notification's `email` in "
        "that provider's headers; unset: it gets none. postmark, ses, sendgrid, mailgun",
    )
    smtp_ehlo_name: str = Field(
        default="", description="Host name that is sent with EHLO; if unset, the domain of FROM_EMAIL"
    )
    smtp_connect_seconds: float = Field(
        default=10.0, description="Seconds to connect, to negotiate TLS and to log in", gt=0
    )
    smtp_command_seconds: float = Field(
        default=60.0, description="Seconds to wait for the answer to each command before the message is sent", gt=0
    )
    smtp_final_dot_seconds: float = Field(
        default=600.0,
        description="Seconds to wait for the answer to a message. RFC 5321 asks for ten minutes; a shorter time causes "
        "duplicate mails",
        gt=0,
    )
    smtp_idle_seconds: float = Field(
        default=60.0, description="Seconds after which an unused connection is closed", gt=0
    )
    from_email: str = Field(default="noreply@example.com", description="Address of the From header, and of MAIL FROM")
    from_name: str = Field(default="", description="Display name of the From header; unset: none")

    @field_validator("from_email")
    @classmethod
    def _is_one_ascii_address(cls, value: str) -> str:
        if parse_sender(value).needs_utf8:
            raise ValueError("every receiver would have to support SMTPUTF8")
        return value

    @field_validator("from_name")
    @classmethod
    def _is_one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("has characters that cannot be printed")
        return value

    @field_validator("smtp_ehlo_name")
    @classmethod
    def _is_one_word(cls, value: str) -> str:
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise ValueError("not a host name")
        return value

    @cached_property
    def providers(self) -> Mapping[str, SmtpProvider]:
        """By name: those of EMAIL_PROVIDERS, or the one of the SMTP_ settings."""
        if self.email_providers:
            return self.email_providers
        one = SmtpProvider(
            host=self.smtp_host,
            port=self.smtp_port,
            user=self.smtp_user,
            password=self.smtp_password,
            tls=self.smtp_tls,
            service=self.smtp_service,
        )
        return {DEFAULT_PROVIDER: one}

    @model_validator(mode="after")
    def _nothing_secret_goes_in_the_clear(self) -> Self:
        for name, provider in self.providers.items() if self.production else ():
            where = "SMTP_" if not self.email_providers else f"EMAIL_PROVIDERS, {name}: "
            if provider.tls == "none" and provider.user:
                raise ValueError(f"{where}USER with {where}TLS=none would send the password in the clear")
            if provider.tls == "none" and not provider.is_this_host:
                raise ValueError(f"{where}TLS=none would send mail in the clear to another host, {where}HOST")
        return self
