"""Errors that are specific to the user service."""

from chassis.errors import Conflict, Forbidden, NotFound, TooManyRequests, Unauthorized, Unavailable, Unprocessable


class UserNotFound(NotFound):
    code, message = "user_not_found", "There is no user with that id"


class PushTokenNotFound(NotFound):
    code, message = "push_token_not_found", "The user has no such push token"


class ApplicationNotFound(NotFound):
    code, message = "application_not_found", "There is no application with that id"


class ErasureNotFound(NotFound):
    code, message = "erasure_not_found", "There is no erasure with that id"


class SessionNotFound(NotFound):
    code, message = "session_not_found", "The user has no such session"


class ApiKeyNotFound(NotFound):
    code, message = "api_key_not_found", "There is no API key with that id"


class EmailTaken(Conflict):
    code, message = "email_taken", "Another user has this e-mail address"


class ExternalIdTaken(Conflict):
    code, message = (
        "external_id_taken",
        "The application has a contact with this external_id already; use PUT to change it",
    )


class LastAdministrator(Conflict):
    code, message = "last_administrator", "This is the last administrator; create another one first"


class TooManyPushTokens(Conflict):
    code, message = "too_many_push_tokens", "The user has the maximum number of push tokens; remove one first"


class NoWebPush(NotFound):
    code, message = "web_push_not_configured", "Browsers cannot be subscribed here: VAPID_PUBLIC_KEY is not set"


class WrongCredentials(Unauthorized):
    """The same answer for an unknown address and for a wrong password."""

    code, message = "invalid_credentials", "The e-mail address or the password is wrong"


class WrongTotp(WrongCredentials):
    code, message = "invalid_totp", "The one-time code is wrong, or was used before"


class TotpRequired(Unauthorized):
    """Raised only after a correct password."""

    code, message = "totp_required", "This login needs a one-time code in `totp`"


class InvalidRefreshToken(Unauthorized):
    code, message = "invalid_refresh_token", "The refresh token is invalid or was used before; log in again"


class ApplicationGone(Forbidden):
    message = "The key's application no longer exists"


class InvalidMailedToken(Unprocessable):
    code, message = "invalid_token", "The token is invalid or has expired; request a new mail"
    field = "token"


class TooManyMails(TooManyRequests):
    code, message = "too_many_mails", "Too many mails were requested; wait before the next one"


class CurrentPasswordWrong(Forbidden):
    code, message = "current_password_wrong", "This change needs the current password in `current_password`"


class CurrentTotpWrong(Forbidden):
    code, message = "current_totp_wrong", "This needs a one-time code in `code` that was not used before"


class TotpNotSetUp(NotFound):
    code, message = "totp_not_set_up", "The user has no second factor"


class TotpEnabled(Conflict):
    code, message = "totp_enabled", "There is a second factor already; remove it first"


class TooManyLogins(TooManyRequests):
    code, message = "too_many_logins", "Too many login attempts; wait before the next one"


class HashingBusy(Unavailable):
    code, message = "busy", "Too many passwords are being checked at the moment; try again"
