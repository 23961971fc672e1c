"""`/api/v1/users/{user_id}/totp`: administrators' second factors."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from chassis.audit import Acting
from chassis.errors import Forbidden
from chassis.http.envelope import Envelope, answer
from chassis.http.openapi.document import refusals
from chassis.security import Caller
from user_service.dependencies import Services, UserClaims, WritableUser
from user_service.errors import (
    CurrentPasswordWrong,
    CurrentTotpWrong,
    HashingBusy,
    TooManyLogins,
    TotpEnabled,
    TotpNotSetUp,
    UserNotFound,
)
from user_service.schemas.auth import RecoveryCodesView, TotpConfirmation, TotpRemoval, TotpRequest, TotpSecretView
from user_service.services.access import is_self

router = APIRouter(prefix="/api/v1/users/{user_id}/totp", tags=["auth"])


@router.post(
    "",
    operation_id="set_up_totp",
    status_code=201,
    response_model=Envelope[TotpSecretView],
    summary="Set up your second factor",
    responses=refusals(UserNotFound, CurrentPasswordWrong, TooManyLogins, TotpEnabled, HashingBusy),
)
async def set_up_totp(user: WritableUser, given: TotpRequest, caller: Caller, services: Services) -> Response:
    """For administrators, for their own account. Logins ask for it once it is confirmed. Until then a second call replaces
    the secret.
    """
    if not is_self(caller, user.id):
        raise Forbidden
    made = await services.second_factors.begin(user, given.current_password)
    return answer(TotpSecretView(secret=made.secret, uri=made.uri), "Confirm it with a code", status=201)


@router.post(
    "/confirm",
    operation_id="confirm_totp",
    response_model=Envelope[RecoveryCodesView],
    summary="Confirm your second factor",
    responses=refusals(UserNotFound, TotpNotSetUp, TotpEnabled, CurrentTotpWrong, TooManyLogins),
)
async def confirm_totp(
    user: WritableUser, given: TotpConfirmation, caller: Caller, claims: UserClaims, actor: Acting, services: Services
) -> Response:
    """Logins need a code from now on. Returns ten recovery codes, once. The user's other sessions end. Where administrators
    need a second factor, refresh this session to get their rights.
    """
    if not is_self(caller, user.id):
        raise Forbidden
    session_id = UUID(claims.session_id) if claims.session_id else None
    codes = await services.second_factors.confirm(user.id, given.code, actor, session_id=session_id)
    return answer(RecoveryCodesView(recovery_codes=codes), "The second factor is on")


@router.delete(
    "",
    operation_id="remove_totp",
    response_model=Envelope[None],
    summary="Remove a second factor",
    responses=refusals(UserNotFound, TotpNotSetUp, CurrentPasswordWrong, CurrentTotpWrong, TooManyLogins, HashingBusy),
)
async def remove_totp(
    user: WritableUser, caller: Caller, actor: Acting, services: Services, given: TotpRemoval | None = None
) -> Response:
    """Removes your own with `current_password` and a code, or another administrator's without them. That user's sessions
    end.
    """
    if is_self(caller, user.id):
        given = given or TotpRemoval()
        await services.second_factors.remove_own(user.id, given.current_password, given.code, actor)
    elif caller.kind == "user" and caller.is_admin:
        await services.second_factors.reset(user.id, actor)
    else:
        raise Forbidden
    return answer(message="The second factor is removed")
