"""`/api/v1/applications`: the programs that send notifications. Administrators manage them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from chassis.audit import Acting
from chassis.http.envelope import Envelope, Meta, Page, answer
from chassis.http.openapi.document import refusals
from chassis.http.paging import PageQuery
from chassis.security import Admin, require_admin
from contracts.senders import SenderDomainNotAllowed
from user_service.dependencies import Services
from user_service.errors import ApplicationNotFound
from user_service.schemas.applications import ApplicationChange, ApplicationView, NewApplication

router = APIRouter(prefix="/api/v1/applications", tags=["applications"])
OF_ADMINS = [Depends(require_admin)]
NOT_FOUND = refusals(ApplicationNotFound)


@router.post(
    "",
    operation_id="create_application",
    status_code=201,
    response_model=Envelope[ApplicationView],
    summary="Make an application",
    responses=refusals(SenderDomainNotAllowed),
)
async def make_application(given: NewApplication, admin: Admin, actor: Acting, services: Services) -> Response:
    """Notifications belong to the application: each of its keys can read, cancel and retry them, and no other application
    can.
    """
    made = await services.applications.add(admin, given, actor)
    return answer(ApplicationView.from_stored(made), "Application made", status=201)


@router.get("", response_model=Page[ApplicationView], summary="List applications")
async def list_applications(_admin: Admin, query: Annotated[PageQuery, Query()], services: Services) -> Response:
    """Newest first."""
    found, total = await services.applications.page(limit=query.limit, offset=query.offset)
    return answer(
        [ApplicationView.from_stored(one) for one in found],
        meta=Meta.for_page(total, limit=query.limit, page=query.page),
    )


@router.get(
    "/{application_id}",
    response_model=Envelope[ApplicationView],
    summary="Get an application",
    responses=NOT_FOUND,
    dependencies=OF_ADMINS,
)
async def get_application(application_id: UUID, services: Services) -> Response:
    """For administrators."""
    return answer(ApplicationView.from_stored(await services.applications.find(application_id)))


@router.patch(
    "/{application_id}",
    operation_id="update_application",
    response_model=Envelope[ApplicationView],
    summary="Change an application",
    responses=refusals(ApplicationNotFound, SenderDomainNotAllowed),
    dependencies=OF_ADMINS,
)
async def change_application(
    application_id: UUID, given: ApplicationChange, actor: Acting, services: Services
) -> Response:
    """Changes its limit, channels, sender, and whether it is disabled. Other services apply the change within seconds."""
    changed = await services.applications.change(application_id, given, actor)
    return answer(ApplicationView.from_stored(changed), "Application changed")


@router.delete(
    "/{application_id}",
    response_model=Envelope[None],
    summary="Delete an application",
    responses=NOT_FOUND,
    dependencies=OF_ADMINS,
)
async def delete_application(application_id: UUID, actor: Acting, services: Services) -> Response:
    """Deletes the application and its keys. Administrators can still read its notifications. Other applications cannot
    notify its contacts.
    """
    await services.applications.remove(application_id, actor)
    return answer(message="Application deleted")
