"""Dependencies of the routers, as `create_app` installed them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api_gateway.errors import BatchExceedsRateLimit
from api_gateway.services.attachments import Attachments
from api_gateway.services.auditing import AuditReader
from api_gateway.services.commands import Commands
from api_gateway.services.fetching import FetchingAcceptor
from api_gateway.services.holds import HoldService
from api_gateway.services.known_holds import KnownHolds
from api_gateway.services.limits import CallerLimits
from api_gateway.services.metrics import GatewayMetrics
from api_gateway.services.personal_data import Eraser, Exporter
from api_gateway.services.reading import Reader
from api_gateway.services.recipients import RecipientFinder
from api_gateway.services.reconciling import Reconciler
from api_gateway.services.statistics import Statistics
from api_gateway.services.suppressions import Suppressions
from api_gateway.services.system import SystemReader
from api_gateway.services.system_mails import SystemMails
from api_gateway.services.trials import Trials
from chassis.errors import Forbidden, TooManyRequests, Unauthorized, Unavailable
from chassis.http.middleware import put_headers
from chassis.process.fair_semaphore import FairSemaphore
from chassis.raw_headers import address_of
from chassis.redis.rate_limit import RateLimiter
from chassis.security import Identity, authenticate, identity_of


@dataclass(frozen=True, slots=True)
class GatewayServices:
    """The gateway's services in one object."""

    acceptor: FetchingAcceptor
    attachments: Attachments
    system_mails: SystemMails
    reader: Reader
    recipients: RecipientFinder
    reconciler: Reconciler
    statistics: Statistics
    commands: Commands
    holds: HoldService
    known_holds: KnownHolds
    trials: Trials
    audit: AuditReader
    suppressions: Suppressions
    system: SystemReader
    eraser: Eraser
    exporter: Exporter
    limits: CallerLimits
    strangers: RateLimiter
    webhooks: RateLimiter
    metrics: GatewayMetrics
    proofs: FairSemaphore
    trial_turns: FairSemaphore
    large_bodies: FairSemaphore
    max_body_bytes: int
    users_may_send: bool


def services_of(request: Request) -> GatewayServices:
    services: GatewayServices = request.app.state.services
    return services


async def enforce_rate_limit(services: GatewayServices, request: Request, identity: Identity, cost: int = 1) -> None:
    """Takes `cost` from the caller's limit and sets the rate-limit headers of the answer.

    Raises TooManyRequests, or BatchExceedsRateLimit when no waiting time would be long enough.
    """
    limiter = services.limits.for_caller(identity)
    if cost > limiter.limit:
        raise BatchExceedsRateLimit(
            f"The rate limit never allows more than {limiter.limit} notifications at once; send fewer at once"
        )
    decision = await limiter.check(identity.caller, cost)
    put_headers(request.scope, decision.headers())
    if not decision.allowed:
        raise TooManyRequests


async def enforce_forwarding_limit(services: GatewayServices, request: Request) -> bool:
    """The rate limit of a request that is forwarded to another service. Returns whether its credentials are valid.

    It counts for the caller, or for the IP address if the credentials are not valid. The other service checks who the caller
    is and what they may do. Raises TooManyRequests.
    """
    try:
        identity = await authenticate(request)
    except (Unauthorized, Unavailable):
        decision = await services.strangers.check(address_of(request.scope))
        put_headers(request.scope, decision.headers())
        if not decision.allowed:
            raise TooManyRequests from None
        return False
    await enforce_rate_limit(services, request, identity)
    return True


async def limited(request: Request, identity: Annotated[Identity, Depends(identity_of)]) -> Identity:
    await enforce_rate_limit(services_of(request), request, identity)
    return identity


Limited = Annotated[Identity, Depends(limited)]
Services = Annotated[GatewayServices, Depends(services_of)]


def allow(identity: Identity, scope: str) -> None:
    """Raises Forbidden unless the caller has `scope`."""
    if not identity.allows(scope):
        raise Forbidden


def allow_sending(services: GatewayServices, identity: Identity) -> None:
    """Raises Forbidden unless the caller may send. `may_send` checks to whom."""
    if identity.kind != "user":
        allow(identity, "notifications:write")
    elif not (identity.is_admin or services.users_may_send):
        raise Forbidden("Only an application's key may send; users only receive")


def allow_reading(identity: Identity) -> None:
    """Users may always read: they see only what was sent to them."""
    if identity.kind != "user":
        allow(identity, "notifications:read")
