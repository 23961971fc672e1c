"""`import`: contacts from a CSV. What a file says of a contact is written; what it does not say stays."""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from notifications import BulkContact, InvalidRequest, Notifications
from notifications.cli import output, profiles
from notifications.cli.commands.failures import confirm
from notifications.cli.commands.send_csv import DryRun, Encoding
from notifications.cli.connecting import connect
from notifications.cli.exits import CommandError
from notifications.cli.files.csv_file import CsvFile, Row, open_csv
from notifications.cli.options import AsJson, ProfileName, Yes
from notifications.cli.rows import Item, RowProblem
from notifications.cli.runs import Plan, carry_out, count_rows

REQUIRED = ("external_id", "email", "name")
PREFERENCES = ("email", "push")
IN_CONTACT = re.compile(r"contacts\.(\d+)\.")
TRUTH = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def import_contacts(
    file: Annotated[Path, typer.Argument(help="A CSV file with the columns external_id, email and name.")],
    encoding: Encoding = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Add or change contacts. Further columns: language, preferences.email, preferences.push (yes or no)."""
    table = open_csv(file, encoding)
    missing = [name for name in REQUIRED if not table.column(name)]
    if missing:
        raise CommandError(f"{file} has no column {', '.join(missing)}; there are {', '.join(table.names)}")
    number = count_rows(table)
    output.note(f"{file}: {number:,} rows. The first ones:")
    for row in islice(table.rows(), 3):
        output.note("  " + "  ".join(f"{name}={value}" for name, value in row.values.items()))
    if dry_run:
        return
    if number:
        confirm(f"Add or change {number:,} contacts?", yes=yes)
    with connect(profile) as client:
        system = profiles.chosen(profile).fingerprint
        prepare = ContactOfRow(table)
        plan = Plan(table, number, system, "", {}, prepare, lambda items: _write(client, items), repeatable=True)
        carry_out(plan, as_json=as_json)


class ContactOfRow:
    """Remembers the contacts: the second row of one would undo the first."""

    def __init__(self, file: CsvFile) -> None:
        self._file = file
        self._lines: dict[str, int] = {}

    def __call__(self, row: Row) -> dict[str, Any]:
        contact: dict[str, Any] = {name: self._given(row, name) for name in (*REQUIRED, "language")}
        empty = [name for name in REQUIRED if not contact[name]]
        if empty:
            raise RowProblem(f"{', '.join(empty)} is empty")
        if not contact["language"]:
            del contact["language"]
        preferences = {
            name: _truth(text, f"preferences.{name}")
            for name in PREFERENCES
            if (text := self._given(row, f"preferences.{name}"))
        }
        if preferences:
            contact["preferences"] = preferences
        first = self._lines.setdefault(contact["external_id"], row.number)
        if first != row.number:
            raise RowProblem(f"Line {first} has the same external_id")
        return contact

    def _given(self, row: Row, name: str) -> str:
        column = self._file.column(name)
        return row.values[column].strip() if column else ""


def _truth(text: str, name: str) -> bool:
    try:
        return TRUTH[text.casefold()]
    except KeyError:
        raise RowProblem(f"{name} is {text!r}; write yes or no") from None


def _write(client: Notifications, items: Sequence[Item]) -> list[str | None]:
    """The server writes all contacts of a call or none: what it names is set aside, and the rest is written."""
    reasons: list[str | None] = [None] * len(items)
    while left := [index for index, reason in enumerate(reasons) if reason is None]:
        try:
            client.contacts.put_all([cast("BulkContact", items[index].body) for index in left])
            break
        except InvalidRequest as refused:
            named = {
                left[int(found[1])]: f"{problem.field.removeprefix(found[0])}: {problem.message}"
                for problem in refused.problems
                if (found := IN_CONTACT.match(problem.field)) and int(found[1]) < len(left)
            }
            if not named:
                raise
            for index, reason in named.items():
                reasons[index] = reason
    return reasons


def add_to(app: typer.Typer) -> None:
    app.command("import")(import_contacts)
