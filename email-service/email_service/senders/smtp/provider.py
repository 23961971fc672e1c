"""One SMTP provider, as the settings describe it."""

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from contracts.emails import Stream
from email_service.provider_headers import MailService, ServiceName

TlsMode = Literal["auto", "starttls", "implicit", "none"]
IMPLICIT_TLS_PORT = 465


def is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def a_host(value: str) -> str:
    """Raises ValueError if it is no host name and no address."""
    host = value.strip()
    if not host.isprintable() or set(host) & set(" /@") or (":" in host and not is_ip_address(host)):
        raise ValueError("is a host name or an address, without a scheme or a port")
    return host


ProviderName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
HostName = Annotated[str, Field(min_length=1), AfterValidator(a_host)]
OwnStreamName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,100}$")]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://[!-~]+$|^http://(localhost|127\.0\.0\.1)[:/][!-~]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class OAuthRefresh(_Strict):
    """An OAuth 2.0 refresh token (RFC 6749, 6) for the SMTP login XOAUTH2."""

    token_url: HttpsUrl
    client_id: str
    client_secret: SecretStr = SecretStr("")
    refresh_token: SecretStr


class SmtpProvider(_Strict):
    """`order`: providers of the lowest order go first; among them each gets a share by its `weight`.

    `per_second` limits the messages a second of all worker processes, `connections` the simultaneous messages
    of one, each on a connection of its own. Without `user`
    there is no login; with `oauth` the login is XOAUTH2, otherwise `password` with the best method that the server offers.
    `service`: whose headers the server reads; `streams`: its names of callers' streams.
    """

    host: HostName
    port: int = Field(default=587, ge=1, le=65_535)
    user: str = ""
    password: SecretStr = SecretStr("")
    oauth: OAuthRefresh | None = None
    tls: TlsMode = "auto"
    order: int = Field(default=1, ge=1, le=100)
    weight: float = Field(default=1.0, gt=0, le=1_000)
    per_second: float | None = Field(default=None, gt=0, le=10_000)
    connections: int | None = Field(default=None, ge=1, le=10_000)
    service: ServiceName | None = None
    streams: dict[Stream, OwnStreamName] = Field(default={}, max_length=100)

    @model_validator(mode="after")
    def _logs_in_one_way(self) -> "SmtpProvider":
        if self.oauth is not None and not self.user:
            raise ValueError("oauth needs a user")
        if self.oauth is not None and self.password.get_secret_value():
            raise ValueError("takes a password or oauth, not both")
        return self

    @model_validator(mode="after")
    def _streams_are_of_a_service(self) -> "SmtpProvider":
        if self.streams and self.service is None:
            raise ValueError("streams needs a service")
        return self

    @property
    def mail_service(self) -> MailService:
        return MailService(self.service, self.streams)

    @property
    def implicit_tls(self) -> bool:
        return self.tls == "implicit" or (self.tls == "auto" and self.port == IMPLICIT_TLS_PORT)

    @property
    def is_this_host(self) -> bool:
        if is_ip_address(self.host):
            return ipaddress.ip_address(self.host).is_loopback
        return self.host == "localhost"
