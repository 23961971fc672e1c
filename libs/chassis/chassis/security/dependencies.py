"""FastAPI dependencies: who calls, and may they.

The composition root puts an `Authenticator` into `app.state.authenticator` and, where there are internal routes, a
`ServiceCallers` into `app.state.service_callers`. An `app.state.on_forbidden` is told of callers who are refused a route.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from chassis.errors import Forbidden
from chassis.raw_headers import address_of, header_of
from chassis.security.identity import Authenticator, Identity
from chassis.security.service_tokens import ServiceCallers

# They declare the schemes in OpenAPI and refuse nothing: `authenticate` does, in one place, with our envelope.
_bearer = HTTPBearer(auto_error=False, scheme_name="access_token", description="An access token or an API key")
_api_key = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="api_key", description="An API key (nk_…)")
_service = HTTPBearer(auto_error=False, scheme_name="service_token", description="Another service's token")

OnForbidden = Callable[[Request, Identity], Awaitable[None]]


async def authenticate(request: Request) -> Identity:
    """For plain Starlette routes. Raises Unauthorized, or Unavailable when the owner of the keys is away."""
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
    """The caller. Raises Unauthorized, or Unavailable when the owner of the keys is away."""
    return await authenticate(request)


Caller = Annotated[Identity, Depends(identity_of)]


def require(scope: str) -> Callable[[Request, Identity], Awaitable[Identity]]:
    """A dependency that gives the caller, or raises Forbidden when the caller lacks `scope`."""

    async def allowed(request: Request, identity: Caller) -> Identity:
        if not identity.allows(scope):
            await _tell(request, identity)
            raise Forbidden
        return identity

    return allowed


async def require_admin(request: Request, identity: Caller) -> Identity:
    """Gives the caller, or raises Forbidden for anybody but an administrator."""
    if not identity.is_admin:
        await _tell(request, identity)
        raise Forbidden
    return identity


async def _tell(request: Request, identity: Identity) -> None:
    on_forbidden: OnForbidden | None = getattr(request.app.state, "on_forbidden", None)
    if on_forbidden is not None:
        await on_forbidden(request, identity)


Admin = Annotated[Identity, Depends(require_admin)]


def calling_service(*services: str) -> Callable[..., Awaitable[str]]:
    """A dependency that gives the name of the service that calls an internal route, which only `services` may.

    It raises Unauthorized, for users' tokens too, and Forbidden for other services.
    """
    allowed = frozenset(services)

    async def service_of(request: Request, _declared: Annotated[object, Security(_service)] = None) -> str:
        callers: ServiceCallers = request.app.state.service_callers
        service = callers.authenticate(request.headers.get("Authorization"))
        if service not in allowed:
            raise Forbidden
        return service

    return service_of
