"""`/api/v1/users/{id}/preferences`: the channels that a user wants. A change applies to everything that is sent after it."""

from fastapi import APIRouter
from starlette.responses import Response

from chassis.audit import Acting
from chassis.http.envelope import Envelope, answer
from chassis.http.openapi.document import refusals
from user_service.dependencies import ReadableUser, Services, WritableUser
from user_service.errors import UserNotFound
from user_service.repositories.users import StoredUser
from user_service.schemas.users import PreferencesChange, PreferencesView, SetPreferences

router = APIRouter(prefix="/api/v1/users/{user_id}/preferences", tags=["preferences"])
REFUSALS = refusals(UserNotFound)


@router.get("", response_model=Envelope[PreferencesView], summary="Get a user's preferences", responses=REFUSALS)
async def get_preferences(user: ReadableUser) -> Response:
    """For the user, administrators, and keys with `users:read`."""
    return answer(_view(user))


@router.put("", response_model=Envelope[PreferencesView], summary="Set both preferences", responses=REFUSALS)
async def set_preferences(user: WritableUser, given: SetPreferences, actor: Acting, services: Services) -> Response:
    """Applies to everything that is sent from now on."""
    change = PreferencesChange(email=given.email, push=given.push, unsubscribed=given.unsubscribed)
    return answer(_view(await services.users.set_preferences(user.id, change, actor)), "Preferences updated")


@router.patch(
    "",
    operation_id="update_preferences",
    response_model=Envelope[PreferencesView],
    summary="Change a preference",
    responses=REFUSALS,
)
async def change_preferences(
    user: WritableUser, given: PreferencesChange, actor: Acting, services: Services
) -> Response:
    """Omitted fields stay unchanged. Applies to everything that is sent from now on."""
    return answer(_view(await services.users.set_preferences(user.id, given, actor)), "Preferences updated")


def _view(user: StoredUser) -> PreferencesView:
    return PreferencesView(email=user.wants_email, push=user.wants_push, unsubscribed=user.unsubscribed)
