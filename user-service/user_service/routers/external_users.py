"""`/api/v1/users/external/{external_id}`, `/api/v1/users/bulk` and `find`: an application's contacts, by its own ids."""

from fastapi import APIRouter
from starlette.responses import Response

from chassis.audit import Acting
from chassis.http.envelope import Envelope, answer, pluralize
from chassis.http.openapi.document import refusals
from chassis.security import Caller
from user_service.dependencies import Services
from user_service.errors import TooManyPushTokens, UserNotFound
from user_service.schemas.external_users import (
    BulkRequest,
    ContactRequest,
    ContactsQuestion,
    FoundContactsView,
    WrittenContactView,
)
from user_service.schemas.fields import ExternalId
from user_service.schemas.users import UserView

router = APIRouter(prefix="/api/v1/users", tags=["users"])


@router.get(
    "/external/{external_id}",
    operation_id="get_contact",
    response_model=Envelope[UserView],
    summary="Get a contact",
    responses=refusals(UserNotFound),
)
async def get_contact(external_id: ExternalId, caller: Caller, services: Services) -> Response:
    """For the application that owns the contact, with `users:read`."""
    return answer(UserView.from_stored(await services.external_users.find(caller, external_id)))


@router.put(
    "/external/{external_id}",
    operation_id="set_contact",
    response_model=Envelope[UserView],
    summary="Add or change a contact",
    responses={201: {"model": Envelope[UserView], "description": "It is new"}, **refusals(TooManyPushTokens)},
)
async def put_contact(
    external_id: ExternalId, given: ContactRequest, caller: Caller, actor: Acting, services: Services
) -> Response:
    """For applications, with `users:write`. A contact has no password and only receives notifications. If the contact has
    become an account, its owner alone changes the address.
    """
    user, created = await services.external_users.put(caller, external_id, given, actor)
    message = "Contact added" if created else "Contact updated"
    return answer(UserView.from_stored(user), message, status=201 if created else 200)


@router.post(
    "/bulk",
    operation_id="set_contacts",
    response_model=Envelope[list[WrittenContactView]],
    summary="Add or change up to 1,000 contacts",
)
async def put_contacts(given: BulkRequest, caller: Caller, actor: Acting, services: Services) -> Response:
    """Like single contacts, but without devices. All of them are written, or none."""
    written = await services.external_users.put_many(caller, given.contacts, actor)
    return answer([WrittenContactView.from_written(one) for one in written], pluralize(len(written), "contact"))


@router.post(
    "/find",
    operation_id="find_contacts",
    response_model=Envelope[FoundContactsView],
    summary="Find up to 1,000 contacts by their external ids",
)
async def find_contacts(given: ContactsQuestion, caller: Caller, services: Services) -> Response:
    """For the application that owns the contacts, with `users:read`: what GET says about each of them. It changes nothing."""
    found = await services.external_users.find_many(caller, given.external_ids)
    view = FoundContactsView.from_found(given.external_ids, found)
    return answer(view, pluralize(len(view.contacts), "contact"))
