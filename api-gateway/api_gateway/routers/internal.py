"""`/internal`: routes for our own services. Only service tokens are accepted. Not in the public documentation."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api_gateway.dependencies import Services
from chassis.http.envelope import answer
from chassis.security import calling_service
from contracts.erasing import ErasureRequest, ExportQuestion
from contracts.services import EMAIL_SERVICE, PUSH_SERVICE, USER_SERVICE
from contracts.system_mails import SystemMail

router = APIRouter(prefix="/internal", include_in_schema=False)
by_users = calling_service(USER_SERVICE)
by_email = calling_service(EMAIL_SERVICE)
by_workers = calling_service(EMAIL_SERVICE, PUSH_SERVICE)


@router.post("/notifications")
async def accept_system_mail(
    mail: SystemMail, service: Annotated[str, Depends(by_users)], services: Services
) -> Response:
    """202 means that the mail is durable, as for callers. Only the user service may send in the system's name."""
    receipt = await services.system_mails.accept(service, mail)
    if receipt.is_new:
        services.metrics.count_transition("email", receipt.status)
    return answer({"notification_id": receipt.notification_id}, status=202)


@router.post("/erasures", dependencies=[Depends(by_users)])
async def erase(erasure: ErasureRequest, services: Services) -> Response:
    """`contracts.erasing.ErasureProgress`."""
    return answer(await services.eraser.erase(erasure.user_id))


@router.post("/exports", dependencies=[Depends(by_users)])
async def export(question: ExportQuestion, services: Services) -> Response:
    """`contracts.erasing.ExportFindings`."""
    return answer(await services.exporter.page(question))


@router.get("/holds", dependencies=[Depends(by_workers)])
async def holds(services: Services, known: str = "") -> Response:
    """`contracts.holds.HoldRules`, for the workers."""
    return answer(await services.known_holds.other_than(known))


@router.get("/attachments/{attachment_id}", dependencies=[Depends(by_email)])
async def attachment(attachment_id: UUID, services: Services) -> Response:
    """The content of an attachment, for the mail that is sent now."""
    return Response(await services.attachments.content(attachment_id), media_type="application/octet-stream")
