"""The errors of the console itself. `error_pages` shows them, and those of the gateway."""

from chassis.errors import Forbidden, NotFound, Unprocessable


class LoginNeeded(Exception):
    """Nobody is logged in; `ended`: somebody was."""

    def __init__(self, *, ended: bool = False) -> None:
        self.ended = ended
        super().__init__("nobody is logged in")


class StaleForm(Forbidden):
    """Another site sent the form, or the session has changed since the page was opened."""

    code = "stale_form"
    message = "The page with this form is too old. Open it again and repeat what you wanted"


class NotAnId(NotFound):
    code, message = "not_an_id", "The address has no valid id in it"


class NotATemplate(NotFound):
    code, message = "not_a_template", "No template can have this code"


class NotForYou(Forbidden):
    message = "This part of the console is for administrators, and for API keys with the scope for it"


class NotASuppression(NotFound):
    code, message = "not_a_suppression", "The address has no valid fingerprint in it"


class KeyNotFound(NotFound):
    code, message = "key_not_found", "The application has no such key. It may have been revoked meanwhile"


class DeviceNotFound(NotFound):
    code, message = "device_not_found", "The user has no such device. It may be gone meanwhile"


class NotAGroup(Unprocessable):
    code, message = "not_a_group", "The form names no group of failed notifications. Open the list again"
