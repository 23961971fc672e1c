"""`/api/v1/users/{user_id}/sessions`: where a user is logged in."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from chassis.audit import Acting
from chassis.http.envelope import Envelope, answer, pluralize
from chassis.http.openapi.document import refusals
from chassis.security import Caller
from user_service.dependencies import Services, WritableUser, user_claims
from user_service.errors import SessionNotFound, UserNotFound
from user_service.schemas.auth import SessionView

router = APIRouter(prefix="/api/v1/users/{user_id}/sessions", tags=["sessions"])


@router.get("", response_model=Envelope[list[SessionView]], summary="List sessions", responses=refusals(UserNotFound))
async def list_sessions(user: WritableUser, request: Request, caller: Caller, services: Services) -> Response:
    """The newest login first; at most fifty."""
    current = (await user_claims(request, caller, services)).session_id if caller.kind == "user" else None
    return answer([SessionView.from_stored(one, current) for one in await services.sessions.of_user(user.id)])


@router.delete(
    "/{session_id}",
    response_model=Envelope[None],
    summary="End a session",
    responses=refusals(UserNotFound, SessionNotFound),
)
async def end_session(user: WritableUser, session_id: UUID, actor: Acting, services: Services) -> Response:
    """Its tokens are refused from now on, by other services within seconds."""
    await services.sessions.end_one(user.id, session_id, actor)
    return answer(message="Session ended")


@router.delete("", response_model=Envelope[None], summary="End every session", responses=refusals(UserNotFound))
async def end_sessions(user: WritableUser, actor: Acting, services: Services) -> Response:
    """Ends every session of the user, also that of this request."""
    return answer(message=f"{pluralize(await services.sessions.end_every(user.id, actor), 'session')} ended")
