"""The e-mail service's settings, and the path of its migrations."""

import ipaddress
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from chassis.security.service_keys import development_key
from chassis.settings import DatabaseUrl
from contracts.addresses import parse_sender
from contracts.services import EMAIL_SERVICE
from delivery.settings import WorkerSettings

ALEMBIC = Path(__file__).parent.parent / "alembic"


TlsMode = Literal["auto", "starttls", "implicit", "none"]


class EmailSettings(WorkerSettings):
    """Each field is read from the environment variable of the same name in capitals."""

    service: ClassVar[str] = EMAIL_SERVICE
    service_private_key: SecretStr = SecretStr(development_key(EMAIL_SERVICE).private)

    port: int = Field(default=8003, ge=0, le=65_535)
    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/email_service"

    smtp_host: str = Field(default="localhost", description="The mail server")
    smtp_port: int = Field(default=1025, ge=1, le=65_535, description="The mail server's port")
    smtp_user: str = Field(default="", description="User name of the SMTP login; empty: no login")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="Password for SMTP_USER")
    smtp_tls: TlsMode = Field(
        default="auto",
        description="auto: implicit TLS on port 465, otherwise STARTTLS, which in production every host except this one must "
        "offer",
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

    @field_validator("smtp_host")
    @classmethod
    def _is_a_host(cls, value: str) -> str:
        host = value.strip()
        if not host.isprintable() or set(host) & set(" /@") or (":" in host and not _is_ip_address(host)):
            raise ValueError("is a host name or an address, without a scheme or a port (SMTP_PORT)")
        return host

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

    @model_validator(mode="after")
    def _password_stays_secret(self) -> Self:
        if self.production and self.smtp_user and self.smtp_tls == "none":
            raise ValueError("SMTP_USER with SMTP_TLS=none would send SMTP_PASSWORD in the clear")
        return self

    @model_validator(mode="after")
    def _mail_is_read_by_nobody_on_the_way(self) -> Self:
        if self.production and self.smtp_tls == "none" and not self.smtp_host_is_this_one:
            raise ValueError("SMTP_TLS=none would send mail in the clear to another host, SMTP_HOST")
        return self

    @property
    def smtp_host_is_this_one(self) -> bool:
        if _is_ip_address(self.smtp_host):
            return ipaddress.ip_address(self.smtp_host).is_loopback
        return self.smtp_host == "localhost"


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
