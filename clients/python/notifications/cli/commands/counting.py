"""`stats`: how many, how fast, and what waits."""

from typing import Annotated, Literal

import typer

from notifications import Statistics
from notifications.cli import output
from notifications.cli.connecting import connect
from notifications.cli.exits import ExitCode
from notifications.cli.options import AsJson, ChannelName, ProfileName


def stats(
    period: Annotated[
        Literal["hour", "day", "week"], typer.Argument(help="The last hour, day or week, until now.")
    ] = "hour",
    channel: Annotated[ChannelName | None, typer.Option()] = None,
    application: Annotated[str | None, typer.Option(help="An application's id.")] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show what became of the notifications of a period. Ends with 1 if one is missing."""
    with connect(profile) as client:
        found = client.statistics(period=period, notification_type=channel, application_id=application)
    if as_json:
        output.show_json(found)
    else:
        output.table(("FIGURE", "VALUE", ""), _rows(found))
    if found.balance.difference:
        raise typer.Exit(ExitCode.BAD_OUTCOME)


def _rows(found: Statistics) -> list[tuple[object, ...]]:
    states = [(status, number, "") for status, number in found.by_status.items() if number]
    oldest = found.oldest_waiting
    return [
        ("accepted", found.balance.accepted, f"since {output.safe(found.since)}"),
        *states,
        ("held", found.held, ""),
        ("missing", found.balance.difference, ""),
        ("p50", _seconds(found.latency.p50), "until sent"),
        ("p95", _seconds(found.latency.p95), "until sent"),
        ("oldest waiting", _seconds(oldest.seconds if oldest else None), oldest.notification_id if oldest else ""),
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g} s"


def add_to(app: typer.Typer) -> None:
    app.command()(stats)
