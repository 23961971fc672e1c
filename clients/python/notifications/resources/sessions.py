"""Logging in as a person. Programs have API keys instead."""

from notifications.answers.access import Tokens
from notifications.answers.base import Data, Nothing
from notifications.answers.login import Login
from notifications.answers.people import User
from notifications.bodies import given
from notifications.calls import Call, Steps
from notifications.endpoints import Resource, Transport, endpoint


class Sessions(Resource[Transport]):
    @endpoint
    def login(self, email: str, password: str, *, totp: str | None = None) -> Steps[Login]:
        """Further calls of this client are made as this person, for `expires_in` seconds or until `refresh`."""
        body = given(email=email, password=password, totp=totp)
        login = yield from self._call("POST", ("auth", "login"), Data(Login), body=body)
        self._remember(login)
        return login

    @endpoint
    def refresh(self, refresh_token: str | None = None) -> Steps[Tokens]:
        """New tokens for this client, with the given refresh token or that of its login. A refresh token works once; using it
        twice ends the session, so one thread or task at a time.
        """
        body = {"refresh_token": refresh_token or self._transport.connection.refresh_token}
        if not body["refresh_token"]:
            raise ValueError("there is no refresh token: log in first")
        tokens = yield from self._call("POST", ("auth", "refresh"), Data(Tokens), body=body)
        self._remember(tokens)
        return tokens

    @endpoint
    def logout(self) -> Steps[None]:
        """Ends the session and forgets its tokens."""
        connection = self._transport.connection
        yield from self._call("POST", ("auth", "logout"), Nothing(), body=given(refresh_token=connection.refresh_token))
        connection.access_token = connection.refresh_token = None

    @endpoint
    def me(self) -> Call[User]:
        """The person whose access token, or whose application's key, this client has."""
        return self._call("GET", ("auth", "me"), Data(User))

    def _remember(self, tokens: Tokens) -> None:
        connection = self._transport.connection
        connection.access_token, connection.refresh_token = tokens.access_token, tokens.refresh_token
