"""`/api/v1/auth`: actions that a mailed token proves. A token works only for the purpose of its mail."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from chassis.audit import Stranger
from chassis.errors import Unavailable
from chassis.http.envelope import Envelope, answer
from chassis.http.openapi.document import refusals
from user_service.dependencies import Services, UserClaims
from user_service.errors import EmailTaken, HashingBusy, InvalidMailedToken, TooManyMails, UserNotFound
from user_service.schemas.auth import MailedTokenGiven, NewPasswordByToken, PasswordResetRequest
from user_service.schemas.users import UserView

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])


@router.post(
    "/password-reset",
    operation_id="request_password_reset",
    status_code=202,
    response_model=Envelope[None],
    summary="Request a password reset",
    responses=refusals(TooManyMails, Unavailable),
)
async def request_password_reset(given: PasswordResetRequest, stranger: Stranger, services: Services) -> Response:
    """The response is the same whether or not the account exists. The mailed token works once, for one hour. Earlier tokens
    become invalid.
    """
    await services.password_resets.request(given.email, client=stranger.address or "")
    return answer(message="If there is an account with this address, a mail is on its way to it", status=202)


@router.post(
    "/password-reset/confirm",
    operation_id="reset_password",
    response_model=Envelope[None],
    summary="Set a new password",
    responses=refusals(InvalidMailedToken, EmailTaken, HashingBusy, Unavailable),
)
async def reset_password(given: NewPasswordByToken, stranger: Stranger, services: Services) -> Response:
    """With the mailed token. Ends every session of the user. A contact becomes an account."""
    await services.password_resets.confirm(given.token, given.password, stranger)
    return answer(message="The password is set; log in with it")


@router.post(
    "/verify-email",
    operation_id="verify_email",
    response_model=Envelope[None],
    summary="Confirm one's address",
    responses=refusals(InvalidMailedToken, Unavailable),
)
async def verify_email(given: MailedTokenGiven, stranger: Stranger, services: Services) -> Response:
    """With the token that a new user is mailed. It is valid for three days."""
    await services.addresses.verify(given.token, stranger)
    return answer(message="The address is confirmed")


@router.post(
    "/verify-email/resend",
    operation_id="resend_verification",
    status_code=202,
    response_model=Envelope[None],
    summary="Request that mail again",
    responses=refusals(UserNotFound, TooManyMails, Unavailable),
)
async def resend_verification(claims: UserClaims, stranger: Stranger, services: Services) -> Response:
    """For the user who is logged in. Tokens of earlier mails become invalid. Nothing is mailed if the address is confirmed
    already.
    """
    user = await services.users.find(UUID(claims.subject))
    if user.email_verified_at is None:
        await services.addresses.mail_again(user, client=stranger.address or "")
    return answer(message="A mail is on its way, unless the address is confirmed already", status=202)


@router.post(
    "/confirm-address",
    operation_id="confirm_address",
    response_model=Envelope[UserView],
    summary="Confirm a new address",
    responses=refusals(InvalidMailedToken, EmailTaken, Unavailable),
)
async def confirm_address(given: MailedTokenGiven, stranger: Stranger, services: Services) -> Response:
    """With the token that was mailed to the new address. It is valid for one day. The address becomes the user's; the
    previous address is informed if it was confirmed.
    """
    return answer(
        UserView.from_stored(await services.addresses.confirm(given.token, stranger)), "The address is changed"
    )


@router.post(
    "/take-back-address",
    operation_id="take_back_address",
    response_model=Envelope[None],
    summary="Undo a change of address",
    responses=refusals(InvalidMailedToken, EmailTaken, HashingBusy, Unavailable),
)
async def take_back_address(given: NewPasswordByToken, stranger: Stranger, services: Services) -> Response:
    """With the token that was mailed to the previous address, which is valid for one week, and a new password: the person
    who changed the address knew the old one. Ends every session.
    """
    await services.addresses.take_back(given.token, given.password, stranger)
    return answer(message="The address is restored; log in with the new password")
