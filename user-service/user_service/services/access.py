"""Checks who may read and write which user. A caller without access cannot even learn that the user exists."""

from uuid import UUID

from chassis.errors import Forbidden
from chassis.security import Identity
from user_service.errors import UserNotFound
from user_service.repositories.users import StoredUser


def is_self(caller: Identity, user_id: UUID) -> bool:
    """False for an API key: its scopes do not include its owner's account."""
    return caller.kind == "user" and caller.user_id == str(user_id)


def check_access(caller: Identity, user_id: UUID, scope: str) -> None:
    """Raises UserNotFound for users, who have access only to themselves, and Forbidden for a key without `scope`."""
    if is_self(caller, user_id) or caller.allows(scope):
        return
    raise UserNotFound if caller.kind == "user" else Forbidden


def check_contact(caller: Identity, user: StoredUser) -> None:
    """Raises UserNotFound for a contact of another application, even if that application was deleted."""
    of_an_application = user.application_id is not None or user.is_contact
    of_another = of_an_application and str(user.application_id) != caller.application_id
    if caller.kind == "api_key" and of_another and not caller.is_admin:
        raise UserNotFound


def check_write(caller: Identity, user: StoredUser) -> None:
    """Raises Forbidden if a key would change an administrator: `users:write` must not become `admin` that way."""
    if user.role == "admin" and not caller.is_admin and not is_self(caller, user.id):
        raise Forbidden("Only administrators may change an administrator")
