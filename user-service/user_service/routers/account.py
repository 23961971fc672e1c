"""`/api/v1/auth`: proving by mail who one is. What a mail's token may be used for is its mail's purpose and nothing else."""

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
    summary="Ask for a new password",
    responses=refusals(TooManyMails, Unavailable),
)
async def request_password_reset(given: PasswordResetRequest, stranger: Stranger, parts: Services) -> Response:
    """One answer, whether or not there is such an account. The mail's token works once, for an hour, and no earlier one."""
    await parts.password_resets.request(given.email, client=stranger.address or "")
    return answer(message="If there is an account with this address, a mail is on its way to it", status=202)


@router.post(
    "/password-reset/confirm",
    operation_id="reset_password",
    response_model=Envelope[None],
    summary="Set a new password",
    responses=refusals(InvalidMailedToken, EmailTaken, HashingBusy, Unavailable),
)
async def reset_password(given: NewPasswordByToken, stranger: Stranger, parts: Services) -> Response:
    """With the token of the mail. Ends every session of the user; a contact is an account from then on."""
    await parts.password_resets.confirm(given.token, given.password, stranger)
    return answer(message="The password is set; log in with it")


@router.post(
    "/verify-email",
    operation_id="verify_email",
    response_model=Envelope[None],
    summary="Confirm one's address",
    responses=refusals(InvalidMailedToken, Unavailable),
)
async def verify_email(given: MailedTokenGiven, stranger: Stranger, parts: Services) -> Response:
    """With the token that a new user is mailed, good for three days."""
    await parts.addresses.verify(given.token, stranger)
    return answer(message="The address is confirmed")


@router.post(
    "/verify-email/resend",
    operation_id="resend_verification",
    status_code=202,
    response_model=Envelope[None],
    summary="Ask for that mail again",
    responses=refusals(UserNotFound, TooManyMails, Unavailable),
)
async def resend_verification(claims: UserClaims, stranger: Stranger, parts: Services) -> Response:
    """For whoever is logged in. Earlier mails no longer confirm the address; one that is confirmed gets none."""
    user = await parts.users.find(UUID(claims.subject))
    if user.email_verified_at is None:
        await parts.addresses.mail_again(user, client=stranger.address or "")
    return answer(message="A mail is on its way, unless the address is confirmed already", status=202)


@router.post(
    "/confirm-address",
    operation_id="confirm_address",
    response_model=Envelope[UserView],
    summary="Confirm a new address",
    responses=refusals(InvalidMailedToken, EmailTaken, Unavailable),
)
async def confirm_address(given: MailedTokenGiven, stranger: Stranger, parts: Services) -> Response:
    """With the token that was mailed to it, good for a day. From now on it is the user's; the old one is told, if it was
    confirmed."""
    return answer(UserView.of(await parts.addresses.confirm(given.token, stranger)), "The address is changed")


@router.post(
    "/take-back-address",
    operation_id="take_back_address",
    response_model=Envelope[None],
    summary="Undo a change of address",
    responses=refusals(InvalidMailedToken, EmailTaken, HashingBusy, Unavailable),
)
async def take_back_address(given: NewPasswordByToken, stranger: Stranger, parts: Services) -> Response:
    """With the token that was mailed to the old address, good for a week, and a new password: whoever changed the address
    knew the old one. Ends every session."""
    await parts.addresses.take_back(given.token, given.password, stranger)
    return answer(message="The address is the account's again; log in with the new password")
