"""The composition root: the commands, and how each of them ends."""

import json
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from notifications import ApiError, NotificationsError, ServerError
from notifications.cli import output
from notifications.cli.commands import (
    checking,
    counting,
    explaining,
    failures,
    holding,
    importing,
    logging_in,
    reading,
    send_csv,
    sending,
    tailing,
    templates,
)
from notifications.cli.exits import CommandError, ExitCode, ReaderGone, exit_code_of

app = typer.Typer(
    name="notify",
    help="Send notifications and see what becomes of them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (
    logging_in, sending, reading, tailing, failures, holding, explaining, importing, send_csv, templates, checking,
    counting,
):  # fmt: skip
    commands.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        output.line(f"notify {version('notification-sdk')}")
        raise typer.Exit


@app.callback()
def start(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Runs before every command."""


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a terminal without Unicode shows escapes and stops nothing
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code. Errors are one line on stderr; with --json, one JSON object."""
    try:
        app(args=arguments, prog_name="notify")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.OK
    except ReaderGone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still in the buffer
        return ExitCode.BROKEN_PIPE
    except (CommandError, NotificationsError, ValueError, OSError) as error:
        code = _code_of(error)
        if "--json" in arguments:
            sys.stderr.write(json.dumps(_as_json(code, error), default=str) + "\n")
        else:
            output.note(f"Error: {_text_of(error)}")
        return code
    return ExitCode.OK


def _code_of(error: Exception) -> ExitCode:
    match error:
        case CommandError():
            return error.code
        case ApiError() if not isinstance(error, ServerError):
            return exit_code_of(error.status)
        case NotificationsError():
            return ExitCode.UNAVAILABLE
        case _:  # what the SDK refuses before it sends, such as an empty id; a full disk
            return ExitCode.USAGE


def _text_of(error: Exception) -> str:
    return f"{error.filename or 'A file'}: {error.strerror or error}" if isinstance(error, OSError) else str(error)


def _as_json(code: ExitCode, error: Exception) -> dict[str, object]:
    if not isinstance(error, ApiError):
        return {"error": code.name.lower(), "message": _text_of(error)}
    return {"error": error.code, "message": error.message, "status": error.status, "correlation_id": error.correlation_id,
            "details": error.details}  # fmt: skip
