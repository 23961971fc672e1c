"""`/api/v1/users`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from chassis.audit import Acting, Actor
from chassis.errors import DependencyUnavailable, Forbidden, Unauthorized, Unavailable, field_error
from chassis.http.envelope import Envelope, Meta, Page, answer
from chassis.http.openapi.document import refusals
from chassis.security import Caller, authenticate, require, require_admin
from contracts.addresses import address_key
from user_service.dependencies import ReadableUser, Services, SigningUp, WritableUser, shows_credential
from user_service.errors import (
    CurrentPasswordWrong,
    EmailTaken,
    ExternalIdTaken,
    HashingBusy,
    LastAdministrator,
    TooManyLogins,
    TooManyMails,
    TooManyPushTokens,
    UserNotFound,
)
from user_service.repositories.users import StoredUser, UserFilter
from user_service.schemas.erasures import ErasureView, ExportQuery, ExportView, export_content
from user_service.schemas.fields import UsersQuery
from user_service.schemas.users import SignUp, UserChange, UserReplacement, UserView

router = APIRouter(prefix="/api/v1/users", tags=["users"])


@router.post(
    "",
    operation_id="create_user",
    status_code=201,
    response_model=Envelope[UserView],
    summary="Sign up, or add a contact",
    responses=refusals(Unauthorized, Forbidden, EmailTaken, ExternalIdTaken, HashingBusy, Unavailable),
)
async def sign_up(actor: SigningUp, given: SignUp, services: Services, request: Request) -> Response:
    """Creates a user with the role `user`. Open to everybody, unless the operator has closed it (OPEN_REGISTRATION). A mail
    asks the user to confirm the address; the user can be notified before that.

    Without a password, for applications with `users:write`: creates a contact, who receives notifications and cannot log
    in.
    """
    if given.password is None:
        if not shows_credential(request):
            raise field_error("password", "is needed to sign up")
        caller = await authenticate(request)
        user = await services.external_users.add(caller, given, Actor.from_request(caller, request))
    elif given.external_id is not None:
        raise field_error("external_id", "is only for a contact, who has no password")
    else:
        user = await services.sign_ups.add(given, given.password, actor)
    return answer(UserView.from_stored(user), "User created", status=201)


@router.get(
    "",
    response_model=Page[UserView],
    summary="List users",
    dependencies=[Depends(require("users:read"))],
)
async def list_users(query: Annotated[UsersQuery, Query()], caller: Caller, services: Services) -> Response:
    """Oldest first. For administrators and for keys with `users:read`, which do not see other applications' contacts."""
    wanted = UserFilter(
        seen_by=None if caller.is_admin else UUID(caller.application_id or caller.subject),
        email_key=None if query.email is None else address_key(query.email),
        role=query.role,
    )
    users, total = await services.users.page(wanted, limit=query.limit, offset=query.offset)
    return answer(
        [UserView.from_stored(user) for user in users], meta=Meta.for_page(total, limit=query.limit, page=query.page)
    )


@router.get("/{user_id}", response_model=Envelope[UserView], summary="Get a user", responses=refusals(UserNotFound))
async def get_user(user: ReadableUser) -> Response:
    """For the user, administrators, and keys with `users:read`."""
    return answer(UserView.from_stored(user))


CHANGE_REFUSALS = refusals(
    CurrentPasswordWrong, UserNotFound, EmailTaken, TooManyPushTokens, TooManyLogins, TooManyMails, HashingBusy
)


@router.patch(
    "/{user_id}",
    operation_id="update_user",
    response_model=Envelope[UserView],
    summary="Change a user",
    responses=CHANGE_REFUSALS,
)
async def change_user(
    user: WritableUser, given: UserChange, caller: Caller, actor: Acting, services: Services
) -> Response:
    """Omitted fields stay unchanged. Users who change their own address or password must send `current_password`. A new
    password ends every session. A user's own new address is `pending_email` until the token that is mailed to it is
    confirmed.
    """
    return _changed(await services.changer.change(caller, user, given, actor))


@router.put("/{user_id}", response_model=Envelope[UserView], summary="Replace a user's data", responses=CHANGE_REFUSALS)
async def replace_user(
    user: WritableUser, given: UserReplacement, caller: Caller, actor: Acting, services: Services
) -> Response:
    """Like PATCH, but `name` and `email` are required."""
    return _changed(await services.changer.change(caller, user, given, actor))


def _changed(user: StoredUser) -> Response:
    pending = (
        "; the new address takes effect when the mail that was sent there is confirmed" if user.pending_email else ""
    )
    return answer(UserView.from_stored(user), f"User updated{pending}")


@router.post(
    "/{user_id}/disable",
    response_model=Envelope[UserView],
    summary="Disable a user",
    responses=refusals(UserNotFound, LastAdministrator),
    dependencies=[Depends(require_admin)],
)
async def disable_user(user: WritableUser, actor: Acting, services: Services) -> Response:
    """For administrators. Ends every session. Logins and the user's API keys are refused until the user is enabled again."""
    return answer(UserView.from_stored(await services.users.disable(user.id, actor)), "User disabled")


@router.post(
    "/{user_id}/enable",
    response_model=Envelope[UserView],
    summary="Enable a user",
    responses=refusals(UserNotFound),
    dependencies=[Depends(require_admin)],
)
async def enable_user(user: WritableUser, actor: Acting, services: Services) -> Response:
    """For administrators."""
    return answer(UserView.from_stored(await services.users.enable(user.id, actor)), "User enabled")


@router.delete(
    "/{user_id}",
    response_model=Envelope[ErasureView],
    summary="Delete a user",
    responses=refusals(UserNotFound, LastAdministrator),
)
async def delete_user(user: WritableUser, actor: Acting, services: Services) -> Response:
    """Deletes the user for good, with devices, sessions and API keys. The other services then erase what they store about
    the user: scheduled notifications are cancelled, and of sent ones only counts and times remain. The response is the
    receipt; `GET /api/v1/erasures/{id}` returns its current state.
    """
    return answer(ErasureView.from_stored(await services.users.remove(user.id, actor)), "User deleted")


@router.get(
    "/{user_id}/export",
    operation_id="export_user",
    response_model=Envelope[ExportView],
    summary="Export everything about a user",
    responses=refusals(UserNotFound, DependencyUnavailable),
)
async def export_user(
    user: ReadableUser, query: Annotated[ExportQuery, Query()], caller: Caller, actor: Acting, services: Services
) -> Response:
    """For the user and administrators. Keys with `users:read` get what their own application sent to its own contact."""
    export = await services.exports.export(user, caller, actor, cursor=query.cursor, limit=query.limit)
    return answer(export_content(export))
