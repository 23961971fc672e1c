"""The suppression list for operators. Only the gateway's tokens may call it. A fingerprint identifies an address."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.http.envelope import answer
from chassis.security import calling_service
from contracts.addresses import fingerprint, masked
from contracts.services import API_GATEWAY
from contracts.suppressions import NewSuppressions, SuppressionQuestion
from email_service.repositories.suppressions import SuppressedAddress
from email_service.suppression import SuppressionList

router = APIRouter(
    prefix="/internal/suppressions", include_in_schema=False, dependencies=[Depends(calling_service(API_GATEWAY))]
)

# SHA-256 of the address in lower case. The address itself is not used, because access logs contain paths.
Fingerprint = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


@router.get("")
async def list_suppressions(question: Annotated[SuppressionQuestion, Query()], request: Request) -> Response:
    """`contracts.suppressions.SuppressionFindings`."""
    entries, total = await _list_of(request).page(question.reason, limit=question.limit, offset=question.offset)
    return answer({"entries": entries, "total": total})


@router.post("")
async def add_suppressions(new: NewSuppressions, request: Request) -> Response:
    """`contracts.suppressions.SuppressionsAdded`."""
    wanted = {fingerprint(email): masked(email) for email in new.emails}
    wanted |= {one.fingerprint: one.masked for one in new.exported}
    dead = [SuppressedAddress(one, shown, new.reason, "api") for one, shown in wanted.items()]
    return answer({"added": await _list_of(request).add_all(dead)})


@router.get("/{fingerprint}")
async def find(fingerprint: Fingerprint, request: Request) -> Response:
    found = await _list_of(request).get(fingerprint)
    if found is None:
        raise NotFound
    return answer(found)


@router.delete("/{fingerprint}")
async def remove_suppression(fingerprint: Fingerprint, request: Request) -> Response:
    """Mail is sent to the address again, by other workers within seconds."""
    if not await _list_of(request).remove(fingerprint):
        raise NotFound
    return answer(message="Mail is sent to this address again")


def _list_of(request: Request) -> SuppressionList:
    found: SuppressionList = request.app.state.suppressions
    return found
