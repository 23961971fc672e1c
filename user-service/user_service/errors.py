"""The user service's own refusals."""

from chassis.errors import Conflict, Forbidden, NotFound, TooManyRequests, Unauthorized, Unavailable, Unprocessable


class UserNotFound(NotFound):
    code, message = "user_not_found", "There is no user by that id"


class PushTokenNotFound(NotFound):
    code, message = "push_token_not_found", "The user has no such push token"


class ApplicationNotFound(NotFound):
    code, message = "application_not_found", "There is no application by that id"


class ErasureNotFound(NotFound):
    code, message = "erasure_not_found", "There is no erasure by that id"


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


class WrongTotp(WrongCredentials):
    code, message = "invalid_totp", "The one-time code is wrong, or was used before"


class TotpRequired(Unauthorized):
    """Said to who knows the password only."""

    code, message = "totp_required", "This login needs a one-time code in `totp`"


class InvalidRefreshToken(Unauthorized):
    code, message = "invalid_refresh_token", "The refresh token is not valid (any more); log in again"


class ApplicationGone(Forbidden):
    message = "The key's application is not there any more"


class SenderDomainNotAllowed(Unprocessable):
    code = "sender_domain_not_allowed"
    message = "Mails go from the domains of SENDER_DOMAINS only, and this is none of them"
    field = "sender.from_email"


class InvalidMailedToken(Unprocessable):
    code, message = "invalid_token", "The token is not valid (any more); ask for a new mail"
    field = "token"


class TooManyMails(TooManyRequests):
    code, message = "too_many_mails", "Too many mails were asked for; wait before the next one"


class CurrentPasswordWrong(Forbidden):
    code, message = "current_password_wrong", "This change needs the current password in `current_password`"


class CurrentTotpWrong(Forbidden):
    code, message = "current_totp_wrong", "This needs a one-time code in `code`, and one that was not used before"


class TotpNotSetUp(NotFound):
    code, message = "totp_not_set_up", "The user has no second factor"


class TotpEnabled(Conflict):
    code, message = "totp_enabled", "The second factor is on already; remove it first"


class TooManyLogins(TooManyRequests):
    code, message = "too_many_logins", "Too many attempts to log in; wait before the next one"


class HashingBusy(Unavailable):
    code, message = "busy", "Too many passwords are being checked right now; try again"
