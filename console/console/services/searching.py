"""Lists that are searched and paged: what an address asks for, and the addresses of other pages."""

from collections.abc import Mapping
from typing import Self
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, ValidationError


class SearchForm(BaseModel):
    """A form that is sent with GET. Its fields have defaults."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def from_query(cls, parameters: Mapping[str, str]) -> Self:
        """What the address asks for. A value that no form offers counts as not given."""
        given = dict(parameters)
        while True:
            try:
                return cls.model_validate(given)
            except ValidationError as wrong:
                for problem in wrong.errors():
                    given.pop(str(problem["loc"][0]), None)

    def query(self, **changes: str | None) -> dict[str, str]:
        """The parameters of a link to this search, with changes."""
        given = {name: str(value) for name, value in self if value not in {"", None}}
        return {name: value for name, value in {**given, **changes}.items() if value}


def neighbours(path: str, page: int, *, more: bool, **query: str) -> dict[str, str]:
    """The addresses of the pages before and after this one, for `parts.pager`; empty where there is none."""
    kept = {name: value for name, value in query.items() if value}

    def address(number: int) -> str:
        return f"{path}?{urlencode({**kept, 'page': number})}"

    return {"previous": address(page - 1) if page > 1 else "", "next": address(page + 1) if more else ""}
