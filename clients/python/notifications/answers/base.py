"""What all answers have in common, and how they are read."""

from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from notifications.calls import Answer
from notifications.errors import unexpected

T = TypeVar("T")


class AnswerModel(BaseModel):
    """Fields that a newer server adds are kept as attributes. Statuses, codes and channels are texts: new ones may come."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Meta(AnswerModel):
    """The position of a page in its list. `total` and `total_pages` are lower bounds in long lists of notifications.

    `unavailable` lists services whose audit events are missing because they did not answer.
    """

    total: int
    limit: int
    page: int
    total_pages: int
    has_next: bool
    has_previous: bool
    next_cursor: str | None = None
    unavailable: list[str] = Field(default_factory=list)


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    model_config = ConfigDict(frozen=True)

    items: list[T]
    meta: Meta


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read_as(kind: Any, value: object, answer: Answer) -> Any:
    """Raises UnexpectedAnswer if the value is none of that kind."""
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as wrong:
        fields = ", ".join(".".join(map(str, one["loc"])) or "data" for one in wrong.errors()[:5])
        raise unexpected(answer.response, f"of a form that this client does not know ({fields})") from None


class Data(Generic[T]):
    """Reads the envelope's `data`."""

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind

    def __call__(self, answer: Answer) -> T:
        value: T = read_as(self.kind, answer.envelope.get("data"), answer)
        return value


class PageOf(Generic[T]):
    """Reads one page of a list of `kind`."""

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind

    def __call__(self, answer: Answer) -> Page[T]:
        page = {"items": answer.envelope.get("data"), "meta": answer.envelope.get("meta")}
        value: Page[T] = read_as(Page[self.kind], page, answer)  # type: ignore[name-defined]
        return value


class Nothing:
    """For answers without data."""

    kind = type(None)

    def __call__(self, _: Answer) -> None:
        return None
