"""The user service's own refusals."""

from chassis.errors import Conflict, Forbidden, NotFound, TooManyRequests, Unauthorized, Unavailable


class UserNotFound(NotFound):
    code, message = "user_not_found", "There is no user by that id"


class PushTokenNotFound(NotFound):
    code, message = "push_token_not_found", "The user has no such push token"


class ApplicationNotFound(NotFound):
    code, message = "application_not_found", "There is no application by that id"


class SessionNotFound(NotFound):
    code, message = "session_not_found", "The user has no such session"


class ApiKeyNotFound(NotFound):
    code, message = "api_key_not_found", "There is no API key by that id"


class EmailTaken(Conflict):
    code, message = "email_taken", "Another user has this e-mail address"


class ExternalIdTaken(Conflict):
    code, message = "external_id_taken", "The application has a contact by this external_id; PUT it to change it"


class LastAdministrator(Conflict):
    code, message = "last_administrator", "This is the last administrator; make another one first"


class TooManyPushTokens(Conflict):
    code, message = "too_many_push_tokens", "The user has as many push tokens as one may have; remove one first"


class WrongCredentials(Unauthorized):
    """One answer for an unknown address and for a wrong password."""

    code, message = "invalid_credentials", "The e-mail address or the password is wrong"


class InvalidRefreshToken(Unauthorized):
    code, message = "invalid_refresh_token", "The refresh token is not valid (any more); log in again"


class ApplicationGone(Forbidden):
    message = "The key's application is not there any more"


class CurrentPasswordWrong(Forbidden):
    code, message = "current_password_wrong", "This change needs the current password in `current_password`"


class TooManyLogins(TooManyRequests):
    code, message = "too_many_logins", "Too many attempts to log in; wait before the next one"


class HashingBusy(Unavailable):
    code, message = "busy", "Too many passwords are being checked right now; try again"
