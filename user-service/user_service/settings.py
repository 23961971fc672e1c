"""The user service's settings, and the path of its migrations."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, SecretStr

from chassis.security.service_keys import development_key
from chassis.server_urls import RedisUrl, ServiceUrl
from chassis.settings import DatabaseUrl, TokenSettings
from contracts.senders import SenderDomains
from contracts.services import USER_SERVICE, PeerSettings
from contracts.web_push import WebPushSettings, public_key

ALEMBIC = Path(__file__).parent.parent / "alembic"


class UserSettings(PeerSettings, TokenSettings, WebPushSettings):
    """Each field is read from the environment variable of the same name in capitals."""

    service: ClassVar[str] = USER_SERVICE
    service_private_key: SecretStr = SecretStr(development_key(USER_SERVICE).private)

    port: int = Field(default=8001, ge=0, le=65_535)
    database_url: DatabaseUrl = "postgresql+asyncpg://postgres:postgres@localhost:5432/user_service"
    database_pool_size: int = Field(
        default=10,
        gt=0,
        description="Database connections per process for transactions, and the same number again for single statements",
    )
    redis_url: RedisUrl = Field(
        default="redis://localhost:6379/0",
        description="Redis for caches and rate limits. The service works without it, more slowly. A primary and its "
        "replicas: `host1:6379,host2:6379`",
    )
    api_gateway_url: ServiceUrl = Field(
        default="http://localhost:8000",
        description="Base URL of the gateway. The user service sends its account mails through it",
    )

    access_token_expire_minutes: int = Field(
        default=30,
        gt=0,
        le=1_440,
        description="Lifetime of an access token, in minutes. With a longer one a log-out or a ban takes effect later",
    )
    refresh_token_expire_days: int = Field(
        default=30, gt=0, le=365, description="Days without use after which a session ends"
    )
    session_max_days: int = Field(
        default=90,
        description="Days after the login when a session ends, however often it was refreshed",
        gt=0,
        le=3_650,
    )

    open_registration: bool = Field(
        default=True, description="Whether anybody may sign up. If not, only administrators can add users"
    )
    vapid_public_key: Annotated[str, AfterValidator(public_key)] | None = Field(
        default=None,
        description="Public half of the push worker's VAPID_PRIVATE_KEY, in base64url. Web pages fetch it to subscribe "
        "browsers. Unset: there is no Web Push",
    )

    validate_push_tokens: bool = Field(
        default=False,
        description="Whether FCM is asked about a registration token before a new device gets it. A token that FCM refuses "
        "is a 422; without an answer within seconds the device is registered",
    )
    push_service_url: ServiceUrl = Field(
        default="http://localhost:8004",
        description="Base URL of any push worker. The user service asks it about registration tokens",
    )

    sender_domains: SenderDomains = Field(
        default=(),
        description="Domains whose addresses applications may send e-mail from. Empty: all e-mail is sent from FROM_EMAIL",
    )

    login_failures: int = Field(
        default=10, description="Login attempts per window on one account from one IP address", gt=0
    )
    login_account_attempts: int = Field(
        default=100, description="Login attempts per window on one account from all IP addresses", gt=0
    )
    login_client_attempts: int = Field(default=1_000, description="Login attempts per window from one IP address", gt=0)
    login_window_seconds: int = Field(
        default=900, gt=0, description="Length of the window, in seconds, over which failed logins are counted"
    )
    admins_need_totp: bool = Field(
        default=False,
        description="Whether administrators need a second factor. Without one they have only the rights of a normal user",
    )
    verify_emails: bool = Field(
        default=True, description="Whether a new user gets a mail that asks to confirm the address"
    )
    account_url: ServiceUrl | None = Field(
        default=None,
        description="Page that the links in account mails open, with the action and the token after the #. Unset: the mails "
        "show the token",
    )
    account_mails_per_hour: int = Field(
        default=5, description="Account mails that one address may receive per hour", gt=0
    )
    account_mails_per_client_per_hour: int = Field(
        default=100, description="Account mails that one IP address may request per hour", gt=0
    )
    password_workers: int = Field(
        default=2, description="Threads that check passwords at logins. Each one can keep a CPU core busy", gt=0
    )
    password_queue: int = Field(
        default=50, description="Password hashes that may wait for a thread. Further requests get 503", ge=0
    )

    @property
    def unused_keys(self) -> frozenset[str]:
        """No key is unused: even when SECRET_KEY signs nothing, it encrypts the signing keys."""
        return frozenset()
