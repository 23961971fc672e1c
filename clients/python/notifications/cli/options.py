"""Options that several commands have, and the texts that people write in them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import typer

from notifications.cli.exits import CommandError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ProfileName = Annotated[
    str | None,
    typer.Option("--profile", envvar="NOTIFICATIONS_PROFILE", help="The profile to use. Default: the current one."),
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="NAME=VALUE", help="A variable; NAME:=JSON for other values than texts. Repeatable."),
]
VariablesFile = Annotated[
    str | None, typer.Option("--vars", metavar="FILE", help="A JSON file with variables, or - for standard input.")
]
ChannelName = Literal["email", "push"]
Language = Annotated[str | None, typer.Option(help="The language, in place of the user's. Example: pt-BR")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_SPAN = re.compile(r"(\d{1,9})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def instant(text: str | None, option: str) -> datetime | None:
    """`2h` is two hours ago; else as `moment`."""
    span = _SPAN.fullmatch(text.strip()) if text else None
    try:
        if span:
            return datetime.now(UTC) - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
        return moment(text, option)
    except (OverflowError, CommandError) as error:
        raise CommandError(f"{option}: {text!r} is no time; write 2026-12-31T18:00, or 2h for two hours ago") from error


def moment(text: str | None, option: str) -> datetime | None:
    """A date or a time in ISO 8601, in the zone of this machine unless it names one."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError) as error:
        raise CommandError(f"{option}: {text!r} is no time; write 2026-12-31T18:00") from error
