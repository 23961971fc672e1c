"""The answer to a login."""

from notifications.answers.access import Tokens
from notifications.answers.people import User


class Login(Tokens):
    """`totp_needed`: the user is an administrator who has to set up a second factor first."""

    user: User
    totp_needed: bool
