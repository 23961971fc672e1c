"""The errors that a service answers with. Each has a status, a stable code and a message for people.

`chassis.http.envelope` renders them. Raise a subclass. Pass a message if the message of the class is too general.
"""

from collections.abc import Mapping


class ServiceError(Exception):
    """An error that the caller sees. `code` is for programs and never changes; `message` is for people."""

    status: int = 500
    code: str = "internal_error"
    message: str = "Something went wrong on our side; the request was logged"

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        data: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or type(self).message
        self.code = code or type(self).code
        self.data = data
        self.headers = dict(headers or {})
        super().__init__(self.message)


class BadRequest(ServiceError):
    status, code, message = 400, "bad_request", "The request could not be understood"


class InvalidJson(BadRequest):
    code, message = "invalid_json", "The body is not valid JSON"


class Unauthorized(ServiceError):
    status, code, message = 401, "unauthorized", "Valid credentials are required"

    def __init__(self, message: str | None = None, *, code: str | None = None) -> None:
        super().__init__(message, code=code, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(ServiceError):
    status, code, message = 403, "forbidden", "These credentials do not allow this"


class NotFound(ServiceError):
    status, code, message = 404, "not_found", "There is nothing here by that name"


class Conflict(ServiceError):
    status, code, message = 409, "conflict", "This conflicts with what is already there"


class PayloadTooLarge(ServiceError):
    status, code, message = 413, "payload_too_large", "The request body is too large"


class Unprocessable(ServiceError):
    """A 422. Its data always names fields: the given ones, otherwise the `field` of the class."""

    status, code, message = 422, "validation_error", "The request has fields that are not valid"
    field: str = "body"

    def __init__(self, message: str | None = None, *, code: str | None = None, data: object = None) -> None:
        super().__init__(message, code=code, data=data)
        if data is None:
            self.data = {"errors": [{"field": self.field, "message": self.message}]}


class TooManyRequests(ServiceError):
    status, code, message = 429, "rate_limited", "Too many requests; slow down"


class Unavailable(ServiceError):
    """A component that the request needs is down. `retry_after` is in seconds."""

    status, code, message = 503, "unavailable", "A part this needs is not available right now; try again"

    def __init__(self, message: str | None = None, *, code: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message, code=code, headers={"Retry-After": str(retry_after)})


class DependencyUnavailable(Unavailable):
    """The other service did not answer, answered 5xx or an unexpected body, or its breaker is open."""

    code, message = "dependency_unavailable", "A service this needs is not available right now; try again"


class MethodNotAllowed(ServiceError):
    """`allowed` lists the methods of the path."""

    status, code, message = 405, "method_not_allowed", "This path has no such method"

    def __init__(self, allowed: str) -> None:
        super().__init__(headers={"Allow": allowed})


def field_error(field: str, message: str) -> Unprocessable:
    """A 422 about one field, in the same form as a list of validation errors."""
    return Unprocessable(data={"errors": [{"field": field, "message": message}]})
