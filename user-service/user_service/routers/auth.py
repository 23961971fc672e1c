"""`/api/v1/auth`: tokens for users."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from chassis.audit import Acting, Stranger
from chassis.errors import Unauthorized, Unavailable
from chassis.http.envelope import Envelope, answer
from chassis.http.openapi.document import refusals
from user_service.dependencies import Services, UserClaims
from user_service.errors import (
    HashingBusy,
    InvalidRefreshToken,
    TooManyLogins,
    TotpRequired,
    UserNotFound,
    WrongCredentials,
    WrongTotp,
)
from user_service.schemas.auth import LoginRequest, LoginView, LogoutRequest, RefreshRequest, TokensView
from user_service.schemas.users import UserView

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])


@router.post(
    "/login",
    response_model=Envelope[LoginView],
    summary="Log in",
    responses=refusals(WrongCredentials, TotpRequired, WrongTotp, TooManyLogins, HashingBusy, Unavailable),
)
async def log_in(given: LoginRequest, stranger: Stranger, services: Services) -> Response:
    """The answer is the same for an unknown address and for a wrong password. Ten failures within 15 minutes block further
    attempts for a while. A user with a second factor sends a code in `totp`; without it a correct password is answered with
    401 `totp_required`.
    """
    login = await services.logins.log_in(given.email, given.password, given.totp, stranger)
    view = LoginView(
        access_token=login.tokens.access_token,
        refresh_token=login.tokens.refresh_token,
        expires_in=login.tokens.expires_in,
        user=UserView.from_stored(login.user),
        totp_needed=login.tokens.role != login.user.role,
    )
    return answer(view, "Logged in")


@router.post(
    "/refresh",
    operation_id="refresh_tokens",
    response_model=Envelope[TokensView],
    summary="Get new tokens",
    responses=refusals(InvalidRefreshToken, Unavailable),
)
async def refresh(given: RefreshRequest, stranger: Stranger, services: Services) -> Response:
    """A refresh token works once. Using it again ends its session, because somebody has a copy."""
    tokens = await services.sessions.refresh(given.refresh_token, stranger)
    view = TokensView(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in
    )
    return answer(view, "Refreshed")


@router.post("/logout", response_model=Envelope[None], summary="Log out")
async def log_out(
    claims: UserClaims, actor: Acting, services: Services, given: LogoutRequest | None = None
) -> Response:
    """Ends the session: its refresh tokens and this access token are refused from now on."""
    await services.sessions.log_out(claims, given.refresh_token if given else None, actor)
    return answer(message="Logged out")


@router.get("/me", operation_id="get_current_user", response_model=Envelope[UserView], summary="Who am I")
async def me(claims: UserClaims, services: Services) -> Response:
    """The user of the access token. API keys are refused: they are not users."""
    try:
        user = await services.users.find(UUID(claims.subject))
    except UserNotFound:
        raise Unauthorized("The user of this token no longer exists") from None
    return answer(UserView.from_stored(user))
