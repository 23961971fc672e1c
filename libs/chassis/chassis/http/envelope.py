"""The form of every JSON answer, errors included (`error_handlers` turns errors into it).

`{"success", "message", "data", "error", "meta"}`. `meta` is null, or the position of a page in its list.
"""

from collections.abc import Mapping
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from chassis.errors import ServiceError
from chassis.json_values import to_json

T = TypeVar("T")
MAY_BE_ABSENT = (
    "x-may-be-absent"  # marks a field in an answer's schema; the code that completes the OpenAPI document reads it
)
_JSON = (b"content-type", b"application/json")


class Meta(BaseModel):
    """The position of a page in its list. `page` starts at 1.

    `has_next` and `has_previous` are true exactly if there is such a page. `total` and `total_pages` are exact; if a list
    counts only up to a limit, they are lower bounds. `next_cursor` is present if the list has cursors and a next page.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"total": 57, "limit": 20, "page": 1, "total_pages": 3, "has_next": True, "has_previous": False}
            ]
        }
    )

    total: int
    limit: int
    page: int
    total_pages: int
    has_next: bool
    has_previous: bool
    next_cursor: str | None = Field(
        default=None,
        exclude_if=lambda cursor: cursor is None,
        description="Send it as `cursor` to get the next page",
        json_schema_extra={MAY_BE_ABSENT: True},
    )

    @classmethod
    def for_page(cls, total: int, *, limit: int, page: int) -> "Meta":
        """For a list that is counted to its end."""
        pages = max(1, -(-total // limit))
        return cls(
            total=total,
            limit=limit,
            page=page,
            total_pages=pages,
            has_next=page < pages,
            has_previous=total > 0 and page > 1,
        )


class Envelope(BaseModel, Generic[T]):
    """A success. `message` is for people."""

    success: Literal[True] = True
    message: str = ""
    data: T
    error: None = None
    meta: None = None

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """The name in generated clients: `UserViewEnvelope` instead of `Envelope_UserView_`."""
        return _name_of(params[0]) + cls.__name__


class Page(Envelope[T]):
    """One page of a list, and its position in the list."""

    data: list[T]  # type: ignore[assignment]
    meta: Meta  # type: ignore[assignment]


def _name_of(data: Any) -> str:
    if data is None:
        return "Empty"
    inner = "".join(map(_name_of, get_args(data)))
    return inner + "List" if get_origin(data) is list else inner or data.__name__


class FieldProblem(BaseModel):
    """One field that is not valid: its dotted path in the request, and the problem."""

    field: str
    message: str


class Problems(BaseModel):
    errors: list[FieldProblem]


class Refusal(BaseModel):
    """An error. `error` is a stable code for programs; `message` is for people. New codes may be added."""

    success: Literal[False]
    message: str
    data: None
    error: str = Field(pattern="^[a-z][a-z0-9_]*$")
    meta: None


class ValidationRefusal(Refusal):
    """An error in the request, with every field that is not valid."""

    data: Problems  # type: ignore[assignment]


class JsonResponse(JSONResponse):
    """The class of every JSON answer. FastAPI describes models only for subclasses of its own JSONResponse."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        if headers:
            super().init_headers(headers)
        else:
            self.raw_headers = [(b"content-length", b"%d" % len(self.body)), _JSON]

    def render(self, content: Any) -> bytes:
        return to_json(content)


def pluralize(number: int, noun: str) -> str:
    """A count for `message`: `1 notification`, `2 notifications`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def answer(
    data: object = None,
    message: str = "",
    *,
    status: int = 200,
    meta: Meta | None = None,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """A success in the envelope."""
    content = {"success": True, "message": message, "data": data, "error": None, "meta": meta}
    return JsonResponse(content, status_code=status, headers=dict(headers or {}))


def refusal(error: ServiceError) -> JsonResponse:
    """An error in the envelope."""
    content = {"success": False, "message": error.message, "data": error.data, "error": error.code, "meta": None}
    return JsonResponse(content, status_code=error.status, headers=error.headers)
