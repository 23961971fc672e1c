"""Opening connections to a mail server, and the health check."""

import asyncio
import ssl

import aiosmtplib
import structlog

from chassis.process.breaker import BreakerState, CircuitBreaker
from chassis.tls import system_trust
from contracts.addresses import parse_sender
from delivery.outcomes import AccountRefused, ProviderDown
from email_service.senders.smtp.connection import SmtpConnection, Timeouts
from email_service.senders.smtp.dialogue import Dialogue, NoConnection
from email_service.senders.smtp.oauth import oauth_token
from email_service.senders.smtp.provider import SmtpProvider
from email_service.senders.smtp.replies import wording
from email_service.settings import EmailSettings

log = structlog.get_logger()

FOR_GOOD = 500  # replies from this code on are permanent: the server refuses our account


class SmtpConnector:
    """Opens connections to one provider. `tls_context` is the system's unless given."""

    def __init__(
        self, provider: SmtpProvider, settings: EmailSettings, *, tls_context: ssl.SSLContext | None = None
    ) -> None:
        self._provider = provider
        self._settings = settings
        self._token = None if provider.oauth is None else oauth_token(provider.oauth)
        self._tls_context = tls_context or system_trust()
        self._ehlo_name = settings.smtp_ehlo_name or parse_sender(settings.from_email).domain

    async def close(self) -> None:
        if self._token is not None:
            await self._token.close()

    async def connect(self) -> SmtpConnection:
        """Opens a connection that is ready for MAIL. Raises NoConnection."""
        client = await self._open()
        try:
            await self._log_in(client)
        except BaseException:
            client.close()
            raise
        settings = self._settings
        timeouts = Timeouts(settings.smtp_command_seconds, settings.smtp_final_dot_seconds)
        return SmtpConnection(Dialogue(client), timeouts)

    async def try_connection(self) -> None:
        """Checks that the server answers, greets and accepts EHLO, without a login. Raises NoConnection."""
        Dialogue(await self._open()).quit()

    async def _open(self) -> aiosmtplib.SMTP:
        client = self._client()
        try:
            async with asyncio.timeout(self._settings.smtp_connect_seconds):
                await client.connect()
                if client.is_ehlo_or_helo_needed:  # again after STARTTLS, which makes the client forget (RFC 3207, 4.2)
                    await client.ehlo()
        # TimeoutError and ssl.SSLError are OSErrors; a host name that cannot be one is a UnicodeError.
        except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
            client.close()
            raise _no_connection(_code_of(error), error) from error
        except BaseException:
            client.close()
            raise
        return client

    def _client(self) -> aiosmtplib.SMTP:
        provider = self._provider
        return aiosmtplib.SMTP(
            hostname=provider.host,
            port=provider.port,
            local_hostname=self._ehlo_name,
            timeout=self._settings.smtp_connect_seconds,
            use_tls=provider.implicit_tls,
            start_tls=False if provider.implicit_tls else self._start_tls(),
            tls_context=self._tls_context,
        )

    def _start_tls(self) -> bool | None:
        """True: required. None: when it is offered."""
        match self._provider.tls:
            case "starttls":
                return True
            case "auto":
                return True if self._settings.production and not self._provider.is_this_host else None
            case _:
                return False

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        provider = self._provider
        if not provider.user:
            return
        token = None if self._token is None else await self._token.get()
        try:
            if self._settings.production and client.get_transport_info("sslcontext") is None:
                raise aiosmtplib.SMTPNotSupported("a login is configured, and the connection has no TLS")
            if token is None:
                await client.login(provider.user, provider.password.get_secret_value())
            else:
                await client.auth_xoauth2(provider.user, token)
        except (aiosmtplib.SMTPException, OSError) as error:
            if self._token is not None and token is not None:
                self._token.forget(token)  # it may have expired early
            raise _no_connection("smtp_login", error) from error


def _code_of(error: Exception) -> str:
    match error:
        case aiosmtplib.SMTPResponseException():
            return "smtp_unavailable"
        case ssl.SSLError() | OSError(__cause__=ssl.SSLError()):
            return "smtp_tls"
        case OSError() | UnicodeError():
            return "smtp_unreachable"
        case _:  # STARTTLS is required and not offered
            return "smtp_tls"


def _no_connection(code: str, error: Exception) -> NoConnection:
    """The log gets the full reason. The notification gets a text without our servers and our account."""
    log.warning("smtp.no_connection", code=code, error=type(error).__name__, detail=wording(str(error)))
    match error:
        case aiosmtplib.SMTPResponseException(code=answered):
            refused, said = answered >= FOR_GOOD, f"answered {answered}"
        case _:
            refused, said = isinstance(error, aiosmtplib.SMTPNotSupported), type(error).__name__
    return NoConnection(AccountRefused(code, said) if refused else ProviderDown(code, said))


FRESH_SECONDS = 5.0  # the provider is checked at most once in this time


class ProviderPaused(Exception):
    """The breaker is open: the provider has just failed too often."""


class SmtpProbe:
    """`check` raises if mail cannot be sent now: the breaker is open, or the server does not answer."""

    def __init__(self, connector: SmtpConnector, breaker: CircuitBreaker) -> None:
        self._connector = connector
        self._breaker = breaker
        self._asked_at = float("-inf")
        self._failure: NoConnection | None = None

    async def check(self) -> None:
        if self._breaker.state is BreakerState.OPEN:
            raise ProviderPaused
        now = asyncio.get_running_loop().time()
        if now - self._asked_at >= FRESH_SECONDS:
            self._failure = await self._connect()
            self._asked_at = now
        if self._failure is not None:
            raise self._failure

    async def _connect(self) -> NoConnection | None:
        try:
            await self._connector.try_connection()
        except NoConnection as failure:
            return failure
        return None
