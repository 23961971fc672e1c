"""The settings of signatures and of the return path."""

from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from contracts.addresses import parse_mailbox
from contracts.senders import SenderDomains
from contracts.unsubscribing import UNSUBSCRIBE_PATH, Unsubscription, unsubscribe_token
from delivery.settings import WorkerSettings
from email_service.bounces.return_path import ReturnPath
from email_service.dkim.keys import DkimKeys, DkimKeysText

MAX_URL = 500  # characters: with the token it is one line of a header


class MailSettings(WorkerSettings):
    """How mails prove where they come from, and where they come back to."""

    dkim_keys: DkimKeysText = Field(
        default=None,
        description="Keys that sign mails (DKIM): `domain:selector:key`, separated by commas; a key is a file's path, a PEM "
        "or its base64 in one line. Of each domain the first RSA key (2048 bits or more) signs, and the first Ed25519 key "
        "beside it; later keys are only published. Unset: mails are not signed",
    )
    bounce_domain: str = Field(
        default="",
        description="Domain of the return path, `bounces+<token>@BOUNCE_DOMAIN`, which names the notification of a bounce. "
        "Its mail must reach this service. Unset: mails come back to FROM_EMAIL",
    )

    bounce_smtp_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="Port that takes the mail of BOUNCE_DOMAIN, by SMTP or LMTP: only what is addressed to a return path of "
        "ours, or to `complaints@`. 0: none",
    )

    sender_domains: SenderDomains = Field(
        default=(),
        description="Domains whose addresses applications and templates may send from: the list of the user service. Here "
        "their DNS records are checked only. Empty: none",
    )
    sender_domain_check_seconds: float = Field(
        default=0.0,
        ge=0,
        description="Seconds between two checks of the DNS records (DKIM, SPF, DMARC, MX) of FROM_EMAIL, SENDER_DOMAINS, "
        "DKIM_KEYS and BOUNCE_DOMAIN, whose result is a metric. Sending does not depend on it. 0: none",
    )

    public_url: str = Field(
        default="",
        description="Address of the gateway for people, such as `https://notify.example.com`. Mails that are not "
        "transactional then carry a one-click link to unsubscribe. Unset: no link",
    )

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("is no http(s) URL")
        if len(value) > MAX_URL or not value.isascii() or not value.isprintable() or set(value) & set(" <>"):
            raise ValueError("is no http(s) URL")
        return value.rstrip("/")

    @property
    def unsubscribe_url(self) -> Callable[[Unsubscription], str] | None:
        if not self.public_url:
            return None
        key, base = self.service_key, f"{self.public_url}{UNSUBSCRIBE_PATH}"
        return lambda wanted: f"{base}/{unsubscribe_token(key, wanted)}"

    @property
    def signing_keys(self) -> DkimKeys:
        return DkimKeys.parse("" if self.dkim_keys is None else self.dkim_keys.get_secret_value())

    @property
    def return_path(self) -> ReturnPath | None:
        """Its secret comes from the service's own key, which all its processes have and nobody else."""
        if not self.bounce_domain:
            return None
        return ReturnPath(self.bounce_domain, self.service_private_key.get_secret_value().encode())

    @field_validator("bounce_domain")
    @classmethod
    def _is_a_domain(cls, value: str) -> str:
        return parse_mailbox(f"bounces@{value}").domain if value else ""

    @model_validator(mode="after")
    def _bounces_have_a_domain(self) -> Self:
        if self.bounce_smtp_port and not self.bounce_domain:
            raise ValueError("BOUNCE_SMTP_PORT takes the mail of BOUNCE_DOMAIN, which is not set")
        return self
