"""Who calls this service: what a token says of an administrator is checked in the database, each time."""

from uuid import UUID

from chassis.errors import Unauthorized
from chassis.security import Authenticator, Identity, RevokedTokens, TokenVerifier
from user_service.services.api_keys import ApiKeys
from user_service.services.users import Users


class CheckedAuthenticator(Authenticator):
    """An administrator who was deleted, disabled or made a user a moment ago does nothing more here, Redis or not."""

    def __init__(self, tokens: TokenVerifier, api_keys: ApiKeys, revoked: RevokedTokens, users: Users) -> None:
        super().__init__(tokens, api_keys, revoked)
        self._users = users

    async def authenticate(self, authorization: str | None, api_key: str | None, *, address: str = "") -> Identity:
        identity = await super().authenticate(authorization, api_key, address=address)
        claimed = identity.kind == "user" and identity.is_admin
        if claimed and await self._users.role_of(UUID(identity.user_id)) != "admin":
            raise Unauthorized("The token was revoked", code="token_revoked")
        return identity
