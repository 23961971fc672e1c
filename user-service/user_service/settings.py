"""What the user service reads from its environment."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from chassis.fields import listed
from chassis.server_urls import RedisUrl, ServiceUrl
from chassis.service_keys import development_key
from chassis.settings import DatabaseUrl, TokenSettings
from contracts.addresses import parse_mailbox
from contracts.lookups import USER_SERVICE
from contracts.peers import PeerSettings

PUSH_HOSTS = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "*.notify.windows.com",
    "web.push.apple.com",
)


def _on_the_wire(domains: Sequence[str]) -> tuple[str, ...]:
    """As they are compared. Raises InvalidAddress."""
    return tuple(parse_mailbox(f"noreply@{domain}").domain for domain in domains)


class UserSettings(PeerSettings, TokenSettings):
    """Every field is an environment variable of the same name in capitals."""

    service: ClassVar[str] = USER_SERVICE
    service_private_key: SecretStr = SecretStr(development_key(USER_SERVICE).private)

    port: int = Field(default=8001, ge=0, le=65_535)
    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/user_service"
    database_pool_size: int = Field(default=10, gt=0)
    redis_url: RedisUrl = "redis://localhost:6379/0"
    api_gateway_url: ServiceUrl = "http://localhost:8000"

    access_token_expire_minutes: int = Field(default=30, gt=0, le=1_440)
    refresh_token_expire_days: int = Field(default=30, gt=0, le=365)
    session_max_days: int = Field(
        default=90, description="After a login, however often it was refreshed", gt=0, le=3_650
    )

    open_registration: bool = Field(default=True, description="May anybody sign up, or only administrators add users")
    web_push_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=PUSH_HOSTS, description="Hosts of Web Push endpoints; `*.` stands for one or more labels"
    )

    sender_domains: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed), AfterValidator(_on_the_wire)] = Field(
        default=(),
        description="Domains of the addresses that applications may send e-mail from; none: FROM_EMAIL's alone",
    )

    login_failures: int = Field(
        default=10, description="Attempts that an account has from one address in a window", gt=0
    )
    login_account_attempts: int = Field(
        default=100, description="Attempts that an account has in a window, from all addresses", gt=0
    )
    login_client_attempts: int = Field(default=1_000, description="Attempts an address has in a window", gt=0)
    login_window_seconds: int = Field(default=900, gt=0)
    admins_need_totp: bool = Field(
        default=False,
        description="Do administrators act as such only with a second factor; without one they are as anybody else",
    )
    verify_emails: bool = Field(default=True, description="Is a new user sent a mail that asks to confirm the address")
    account_url: ServiceUrl | None = Field(
        default=None,
        description="Page that links in mails about accounts lead to, with action and token behind the #; unset: the mails "
        "show the token",
    )
    account_mails_per_hour: int = Field(
        default=5, description="Mails about accounts that one address is sent in an hour", gt=0
    )
    account_mails_per_client_per_hour: int = Field(
        default=100, description="Mails about accounts that may be asked for from one address in an hour", gt=0
    )
    password_workers: int = Field(default=2, description="Threads that hash passwords", gt=0)
    password_queue: int = Field(default=50, description="Hashes that may wait; more are refused with 503", ge=0)

    @property
    def unused_keys(self) -> frozenset[str]:
        """None: where SECRET_KEY signs nothing, it encrypts the keys that do."""
        return frozenset()
