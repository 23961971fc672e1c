"""`failed` and `replay`: dead letters."""

from itertools import islice
from typing import Annotated

import typer

from notifications.cli import output
from notifications.cli.commands.reading import ChannelFilter, show
from notifications.cli.connecting import connect
from notifications.cli.exits import CommandError
from notifications.cli.options import AsJson, ProfileName, Yes

MAX_REPLAYED = 1_000


def failed(
    channel: ChannelFilter = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List dead letters: notifications that failed, newest first, with the reason."""
    with connect(profile) as client:
        show(islice(client.failed(notification_type=channel, page_size=min(limit, 100)), limit), as_json=as_json)


def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that match the filters, oldest first.")] = False,
    channel: ChannelFilter = None,
    error: Annotated[str | None, typer.Option(help="Only those that failed with this code.")] = None,
    template_version: Annotated[int | None, typer.Option(min=1, help="Default: the active one.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=MAX_REPLAYED)] = MAX_REPLAYED,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Try failed notifications again: the named ones, or with --all those that match the filters."""
    if bool(ids) == (everything or bool(channel or error)):
        raise CommandError("Name notifications, or choose them with --all, --channel or --error")
    if not ids:
        confirm(f"Try up to {limit} failed notifications again?", yes=yes)
    with connect(profile) as client:
        answer = client.replay(
            notification_ids=ids or None, notification_type=channel, error=error, template_version=template_version,
            limit=limit,
        )  # fmt: skip
    if as_json:
        output.show_json(answer)
    else:
        output.line(f"{answer.replayed} will be tried again")


def confirm(question: str, *, yes: bool) -> None:
    """Raises CommandError if nobody can be asked, Exit if the answer is no."""
    if yes:
        return
    if not output.can_ask():
        raise CommandError("This has to be confirmed, and there is no terminal to ask on: add --yes")
    if not typer.confirm(question, err=True):
        output.note("Nothing was done")
        raise typer.Exit(0)


def add_to(app: typer.Typer) -> None:
    app.command()(failed)
    app.command()(replay)
