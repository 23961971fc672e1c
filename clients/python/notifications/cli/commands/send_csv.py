"""`send-csv`: a notification for each row of a file, each once, whatever interrupts it."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from notifications import (
    BatchInterrupted,
    InvalidRequest,
    NotFound,
    NotificationRequest,
    Notifications,
    PermissionDenied,
)
from notifications.cli import output, profiles
from notifications.cli.commands.failures import confirm
from notifications.cli.connecting import connect
from notifications.cli.contacts import ContactIds
from notifications.cli.exits import CommandError, ExitCode
from notifications.cli.files.csv_file import CsvFile, open_csv
from notifications.cli.options import AsJson, ChannelName, ProfileName, Variables, VariablesFile, Yes, moment
from notifications.cli.recipients import BodyOfRow, recipient_column
from notifications.cli.rows import Item, RowProblem
from notifications.cli.runs import Plan, carry_out, count_rows
from notifications.cli.variables import variables

Encoding = Annotated[str | None, typer.Option(help="The file's encoding. Default: UTF-8, or what the file shows.")]
PREVIEWED = 3
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the file and show the first rows; send nothing.")]


def send_csv(
    file: Annotated[Path, typer.Argument(help="A CSV file whose first line names the columns.")],
    template: Annotated[str, typer.Option(help="The template's code.")],
    channel: Annotated[ChannelName, typer.Option()] = "email",
    to_column: Annotated[str | None, typer.Option(help="The column with the address. Default: email")] = None,
    var: Variables = None,
    vars_file: VariablesFile = None,
    priority: Annotated[int | None, typer.Option(min=1, max=10)] = None,
    send_at: Annotated[str | None, typer.Option(help="Not before this time.")] = None,
    run: Annotated[str, typer.Option(help="The name of this run. Rows of another run are sent again.")] = "",
    encoding: Encoding = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Send a notification for each row: to its user_id, external_id, email or push_token; all columns are variables.

    The same row is sent once in a run. An interrupted command goes on when it is repeated. Refused rows go to a file.
    """
    table = open_csv(file, encoding)
    column = recipient_column(table, channel, to_column)
    number = count_rows(table)
    with connect(profile) as client:
        constants = variables(var or [], vars_file)
        when = moment(send_at, "--send-at")
        options = {
            "template": template, "channel": channel, "to": column.name, "variables": constants,
            "priority": priority, "send_at": when.isoformat() if when else None,
        }  # fmt: skip
        body = BodyOfRow(table, column, _common(options), constants)
        _preview(client, table, number, body)
        if dry_run:
            return
        if number:
            confirm(f"Send {number:,} notifications by {channel} with the template {template}?", yes=yes)
        system = profiles.chosen(profile).fingerprint
        contacts = ContactIds(client)
        plan = Plan(
            table, number, system, run, options, body, lambda items: _send(client, contacts, items), repeatable=False
        )
        carry_out(plan, as_json=as_json)


def _common(options: Mapping[str, Any]) -> dict[str, Any]:
    common = {
        "notification_type": options["channel"], "template_code": options["template"],
        "priority": options["priority"], "send_at": options["send_at"],
    }  # fmt: skip
    return {name: value for name, value in common.items() if value is not None}


def _send(client: Notifications, contacts: ContactIds, items: Sequence[Item]) -> list[str | None]:
    contacts.look_up(item.body["external_id"] for item in items if "external_id" in item.body)
    bodies = [_addressed(item, contacts) for item in items]
    try:
        answer = client.send_batch(cast("list[NotificationRequest]", [body for body in bodies if body is not None]))
    except BatchInterrupted as interrupted:
        raise interrupted.__cause__ or interrupted from None
    results = iter(answer.results)
    return [
        _unknown(item) if body is None else _refusal(next(results)) for item, body in zip(items, bodies, strict=True)
    ]


def _addressed(item: Item, contacts: ContactIds) -> dict[str, Any] | None:
    """What is posted; None if it is for a contact that does not exist."""
    body = {**item.body, "request_id": item.id}
    if "external_id" in body:
        body["user_id"] = contacts[body.pop("external_id")]
        return body if body["user_id"] else None
    return body


def _unknown(item: Item) -> str:
    return f"There is no contact with the external id {item.body['external_id']}"


def _refusal(result: Any) -> str | None:
    return None if result.success else _reason(result)


def _reason(result: Any) -> str:
    fields = "".join(f"; {one.field}: {one.message}" for one in getattr(result.data, "errors", ()))
    return f"{result.error}: {result.message}{fields}"


def _preview(client: Notifications, file: CsvFile, number: int, body: BodyOfRow) -> None:
    """The first rows, and what the first notification says. What would be wrong with every row ends the command."""
    template, channel = body.common["template_code"], body.common["notification_type"]
    output.note(f"{file.path}: {number:,} rows; {channel} with the template {template}")
    rows = list(islice(file.rows(), PREVIEWED))
    for row in rows:
        output.note("  " + "  ".join(f"{name}={value}" for name, value in row.values.items()))
    try:
        first = next((body(row) for row in rows if not row.problem), None)
        if first is not None:
            _show(client, template, channel, first)
    except RowProblem:
        return


def _show(client: Notifications, template: str, channel: ChannelName, first: Mapping[str, Any]) -> None:
    """A key may send without reading templates; then nothing is shown, and nothing is checked beforehand."""
    try:
        shown = client.templates.render(
            template, variables=first["variables"], language=first.get("language"), channel=channel
        )
    except PermissionDenied:
        return
    except NotFound as error:
        raise CommandError(f"There is no template {template}", ExitCode.NOT_FOUND) from error
    except InvalidRequest as error:
        missing = [problem.field.removeprefix("variables.") for problem in error.problems]
        if error.code != "missing_variables" or any(name.split(".")[0] in first["variables"] for name in missing):
            return  # it may be this row alone
        columns = ", ".join(first["variables"])
        problem = f"The template {template} needs {', '.join(missing)}: there is no such column, and no --var"
        raise CommandError(f"{problem}. There are {columns}") from error
    text = shown.email.subject if shown.email else shown.push.title if shown.push else None
    if text is None:
        raise CommandError(f"The template {template} is not for {channel}")
    output.note(f"The first one says: {text}")


def add_to(app: typer.Typer) -> None:
    app.command("send-csv")(send_csv)
