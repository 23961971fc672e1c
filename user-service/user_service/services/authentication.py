"""Authenticates callers. An administrator's token is checked against the database at each request."""

from uuid import UUID

from chassis.errors import Unauthorized
from chassis.security import Authenticator, Identity, RevokedTokens, TokenVerifier
from user_service.services.api_keys import ApiKeys
from user_service.services.users import Users


class CheckedAuthenticator(Authenticator):
    """Refuses administrators who were deleted, disabled or demoted a moment ago, even while Redis is down."""

    def __init__(self, tokens: TokenVerifier, api_keys: ApiKeys, revoked: RevokedTokens, users: Users) -> None:
        super().__init__(tokens, api_keys, revoked)
        self._users = users

    async def authenticate(self, authorization: str | None, api_key: str | None, *, address: str = "") -> Identity:
        identity = await super().authenticate(authorization, api_key, address=address)
        claimed = identity.kind == "user" and identity.is_admin
        if claimed and await self._users.role_of(UUID(identity.user_id)) != "admin":
            raise Unauthorized("The token was revoked", code="token_revoked")
        return identity
