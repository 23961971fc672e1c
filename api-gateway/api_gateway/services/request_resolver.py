"""Resolves requests, and refuses those that a worker could certainly not send."""

from collections.abc import Sequence

from api_gateway.errors import PushTooLarge
from api_gateway.schemas.recipients import DevicesTo
from api_gateway.schemas.requests import NotificationRequest
from api_gateway.services.directory import Directory
from api_gateway.services.push_sizes import PushSizes
from api_gateway.services.resolving import Resolution, resolve
from chassis.errors import ServiceError, field_error
from contracts.web_push import PushServices


class RequestResolver:
    def __init__(self, directory: Directory, services: PushServices, sizes: PushSizes) -> None:
        self._directory = directory
        self._services = services
        self._sizes = sizes

    async def resolve(
        self, requests: Sequence[NotificationRequest], caller: str, correlation_id: str, *, urgent: bool
    ) -> list[Resolution]:
        """See `resolving.resolve`. The reason may also be PushTooLarge, or a 422 about an endpoint."""
        found = await self._found(requests, caller, correlation_id, urgent=urgent)
        again = [index for index, one in enumerate(found) if isinstance(one, PushTooLarge)]
        if again:  # the template may have been shortened a moment ago
            fresh = await self._found(
                [requests[index] for index in again], caller, correlation_id, urgent=urgent, fresh=True
            )
            for index, resolution in zip(again, fresh, strict=True):
                found[index] = resolution
        return found

    async def _found(
        self,
        requests: Sequence[NotificationRequest],
        caller: str,
        correlation_id: str,
        *,
        urgent: bool,
        fresh: bool = False,
    ) -> list[Resolution]:
        resolved = await resolve(requests, self._directory, [caller] * len(requests), urgent=urgent, fresh=fresh)
        found = [self._foreign_endpoint(request) or one for request, one in zip(requests, resolved, strict=True)]
        for index, refusal in (await self._sizes.too_large(requests, found, correlation_id)).items():
            found[index] = refusal
        return found

    def _foreign_endpoint(self, request: NotificationRequest) -> ServiceError | None:
        """Callers choose endpoints, and workers send requests to them."""
        fields = request.to.foreign_endpoints(self._services) if isinstance(request.to, DevicesTo) else []
        return field_error(fields[0], "must be an https address of a known push service") if fields else None
