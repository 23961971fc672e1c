"""Which columns of a CSV say whom a row is for, and which are variables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notifications.cli.exits import CommandError
from notifications.cli.files.csv_file import CsvFile, Row
from notifications.cli.rows import RowProblem
from notifications.cli.variables import put

# In this order: a file with several of them goes by the first.
RECIPIENT_COLUMNS = {"email": ("user_id", "external_id", "email"), "push": ("user_id", "external_id", "push_token")}


@dataclass(frozen=True, slots=True)
class RecipientColumn:
    """`kind` is user_id, external_id, email or push_token; `name` is the file's name of the column."""

    kind: str
    name: str


def recipient_column(file: CsvFile, channel: str, chosen: str | None) -> RecipientColumn:
    """`chosen` is the column with the addresses (or FCM tokens), whatever its name is."""
    if chosen is not None:
        name = file.column(chosen)
        if name is None:
            raise CommandError(f"There is no column {chosen}; there are {', '.join(file.names)}")
        return RecipientColumn("email" if channel == "email" else "push_token", name)
    for kind in RECIPIENT_COLUMNS[channel]:
        if name := file.column(kind):
            return RecipientColumn(kind, name)
    wanted = " or ".join(RECIPIENT_COLUMNS[channel])
    raise CommandError(
        f"No column says whom a row is for: there is none named {wanted}. The columns are {', '.join(file.names)}. "
        "Name one with --to-column"
    )


@dataclass(frozen=True, slots=True)
class BodyOfRow:
    """Makes a row's notification. `common` is what all rows have, `constants` are variables of all rows. Whoever sends it
    puts a `user_id` in the place of an `external_id`.
    """

    file: CsvFile
    column: RecipientColumn
    common: Mapping[str, Any]
    constants: Mapping[str, Any]

    def __call__(self, row: Row) -> dict[str, Any]:
        value = row.values[self.column.name].strip()
        if not value:
            raise RowProblem(f"The column {self.column.name} is empty")
        language = self._given(row, "language")
        return {
            **self.common,
            **self._recipient(value, self._given(row, "name")),
            **({"language": language} if language else {}),
            "variables": self._variables(row),
        }

    def _given(self, row: Row, name: str) -> str:
        column = self.file.column(name)
        return row.values[column].strip() if column else ""

    def _recipient(self, value: str, name: str) -> dict[str, Any]:
        named = {"name": name} if name else {}
        match self.column.kind:
            case "email":
                return {"to": {"email": value, **named}}
            case "push_token":
                return {"to": {"push_tokens": [value], **named}}
            case "external_id":
                return {"external_id": value}
            case _:
                return {"user_id": _uuid(value)}

    def _variables(self, row: Row) -> dict[str, Any]:
        found: dict[str, Any] = dict(self.constants)
        try:
            for name in variable_columns(self.file, self.column):
                put(found, name, row.values[name])
        except CommandError as error:
            raise RowProblem(error.message) from error
        return found


def variable_columns(file: CsvFile, recipient: RecipientColumn) -> Sequence[str]:
    """All others; an address is one, too, as templates may show it."""
    apart = {recipient.name} if recipient.kind != "email" else set()
    return [name for name in file.names if name not in apart and name != file.column("language")]


def _uuid(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError as error:
        raise RowProblem("The user_id is no UUID") from error
