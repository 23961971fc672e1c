"""FastAPI dependencies: identify the caller, and check what the caller may do.

The composition root sets `app.state.authenticator` to an `Authenticator`. If there are internal routes, it sets
`app.state.service_callers` to a `ServiceCallers`. `app.state.on_forbidden`, if set, is called when a caller is refused a
route.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from chassis.errors import Forbidden
from chassis.raw_headers import address_of, header_of
from chassis.security.identity import Authenticator, Identity
from chassis.security.service_tokens import ServiceCallers

# These only declare the schemes in OpenAPI. `authenticate` refuses requests, in one place, with our envelope.
_bearer = HTTPBearer(auto_error=False, scheme_name="access_token", description="An access token or an API key")
_api_key = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="api_key", description="An API key (nk_…)")
_service = HTTPBearer(auto_error=False, scheme_name="service_token", description="Another service's token")

OnForbidden = Callable[[Request, Identity], Awaitable[None]]


async def authenticate(request: Request) -> Identity:
    """For plain Starlette routes. Raises Unauthorized, or Unavailable if the owner of the keys is down."""
    authenticator: Authenticator = request.app.state.authenticator
    return await authenticator.authenticate(
        header_of(request.scope, b"authorization"),
        header_of(request.scope, b"x-api-key"),
        address=address_of(request.scope),
    )


async def identity_of(
    request: Request,
    _declared_bearer: Annotated[object, Security(_bearer)] = None,
    _declared_api_key: Annotated[object, Security(_api_key)] = None,
) -> Identity:
    """The caller. Raises Unauthorized, or Unavailable if the owner of the keys is down."""
    return await authenticate(request)


Caller = Annotated[Identity, Depends(identity_of)]


def require(scope: str) -> Callable[[Request, Identity], Awaitable[Identity]]:
    """A dependency that returns the caller. It raises Forbidden if the caller lacks `scope`."""

    async def allowed(request: Request, identity: Caller) -> Identity:
        if not identity.allows(scope):
            await _report_refusal(request, identity)
            raise Forbidden
        return identity

    return allowed


async def require_admin(request: Request, identity: Caller) -> Identity:
    """Returns the caller. Raises Forbidden if the caller is not an administrator."""
    if not identity.is_admin:
        await _report_refusal(request, identity)
        raise Forbidden
    return identity


async def _report_refusal(request: Request, identity: Identity) -> None:
    on_forbidden: OnForbidden | None = getattr(request.app.state, "on_forbidden", None)
    if on_forbidden is not None:
        await on_forbidden(request, identity)


Admin = Annotated[Identity, Depends(require_admin)]


def calling_service(*services: str) -> Callable[..., Awaitable[str]]:
    """A dependency for internal routes that only `services` may call. It returns the name of the calling service.

    It raises Unauthorized, also for users' tokens, and Forbidden for other services.
    """
    allowed = frozenset(services)

    async def service_of(request: Request, _declared: Annotated[object, Security(_service)] = None) -> str:
        callers: ServiceCallers = request.app.state.service_callers
        service = callers.authenticate(request.headers.get("Authorization"))
        if service not in allowed:
            raise Forbidden
        return service

    return service_of
