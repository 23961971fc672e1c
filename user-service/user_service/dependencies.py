"""Dependencies of the routers."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from chassis.audit import Actor
from chassis.errors import Forbidden
from chassis.raw_headers import header_of
from chassis.security import Caller, Claims, TokenVerifier, authenticate
from chassis.security.credentials import bearer_of
from user_service.repositories.users import StoredUser
from user_service.services.access import check_access, check_contact, check_write
from user_service.services.addresses import Addresses
from user_service.services.api_keys import ApiKeys
from user_service.services.applications import Applications
from user_service.services.external_users import ExternalUsers
from user_service.services.login import Logins
from user_service.services.password_resets import PasswordResets
from user_service.services.personal_data import Erasures, Exports
from user_service.services.push_tokens import PushTokens
from user_service.services.sessions import Sessions
from user_service.services.sign_ups import SignUps
from user_service.services.signing_keys import SigningKeys
from user_service.services.totp import SecondFactors
from user_service.services.user_changes import UserChanger
from user_service.services.users import UserLookups, Users
from user_service.settings import UserSettings


@dataclass(frozen=True, slots=True)
class UserServices:
    """Everything that routers use. The composition root makes it."""

    settings: UserSettings
    users: Users
    sign_ups: SignUps
    external_users: ExternalUsers
    changer: UserChanger
    push_tokens: PushTokens
    lookups: UserLookups
    logins: Logins
    erasures: Erasures
    exports: Exports
    second_factors: SecondFactors
    password_resets: PasswordResets
    addresses: Addresses
    sessions: Sessions
    applications: Applications
    api_keys: ApiKeys
    signing_keys: SigningKeys
    verifier: TokenVerifier


def services_of(request: Request) -> UserServices:
    found: UserServices = request.app.state.services
    return found


Services = Annotated[UserServices, Depends(services_of)]


async def signing_up(request: Request, services: Services) -> Actor:
    """The caller of a sign-up. Raises Unauthorized or Forbidden if the caller may not sign anybody up."""
    if services.settings.open_registration:
        return Actor.stranger(request)
    caller = await authenticate(request)
    if not caller.allows("users:write"):
        raise Forbidden("Only administrators add users here")
    return Actor.from_request(caller, request)


def shows_credential(request: Request) -> bool:
    return any(header_of(request.scope, name) is not None for name in (b"authorization", b"x-api-key"))


async def readable_user(user_id: UUID, caller: Caller, services: Services) -> StoredUser:
    """The user in the path, whom the caller may read."""
    check_access(caller, user_id, "users:read")
    user = await services.users.find(user_id)
    check_contact(caller, user)
    return user


async def writable_user(user_id: UUID, caller: Caller, services: Services) -> StoredUser:
    """The user in the path, whom the caller may change."""
    check_access(caller, user_id, "users:write")
    user = await services.users.find(user_id)
    check_contact(caller, user)
    check_write(caller, user)
    return user


async def user_claims(request: Request, caller: Caller, services: Services) -> Claims:
    """The claims of the caller's access token. Raises Forbidden for API keys: they cannot log in or out."""
    if caller.kind != "user":
        raise Forbidden("This is for users, not for API keys")
    return await services.verifier.verify(bearer_of(request.headers.get("Authorization")))


ReadableUser = Annotated[StoredUser, Depends(readable_user)]
WritableUser = Annotated[StoredUser, Depends(writable_user)]
UserClaims = Annotated[Claims, Depends(user_claims)]
SigningUp = Annotated[Actor, Depends(signing_up)]
