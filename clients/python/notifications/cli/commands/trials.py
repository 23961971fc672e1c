"""`templates trial`: a version rendered with the variables of notifications that were sent lately."""

from typing import Annotated

import typer

from notifications import TrialRendering, TriedNotification
from notifications.cli import output
from notifications.cli.connecting import connect
from notifications.cli.exits import ExitCode
from notifications.cli.options import AsJson, ChannelName, Language, ProfileName


def trial(
    code: Annotated[str, typer.Argument(help="The template's code.")],
    number: Annotated[
        int | None,
        typer.Option("--version", min=1, help="The version to try. Default: the newest, which may be a draft."),
    ] = None,
    last: Annotated[int, typer.Option(min=1, max=100, help="With how many of the last notifications.")] = 20,
    language: Language = None,
    channel: Annotated[ChannelName | None, typer.Option(help="Only those on this channel.")] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Render a version with the variables of the last notifications, and send nothing. Ends with 1 if one would fail."""
    with connect(profile) as client:
        if number is None:
            number = client.templates.versions(code, language=language, page_size=1).page().items[0].version
        tried = client.templates.trial(code, number, last=last, language=language, notification_type=channel)
    if as_json:
        output.show_json(tried)
    else:
        output.table(
            ("NOTIFICATION", "CHANNEL", "PROBLEM", "SUBJECT", "LINKS"), [_row(one) for one in tried.notifications]
        )
        against = f"version {tried.version} against the active version {tried.active_version}"
        output.note(f"{len(tried.notifications)} of {tried.found} tried, {tried.failing} would fail: {against}")
    if tried.failing:
        raise typer.Exit(ExitCode.BAD_OUTCOME)


def _row(one: TriedNotification) -> tuple[str, ...]:
    links = f"+{one.links_added} -{one.links_removed}" if one.links_added or one.links_removed else ""
    return one.notification_id, one.notification_type, one.after.message or "", _subject(one.before, one.after), links


def _subject(before: TrialRendering, after: TrialRendering) -> str:
    """The new subject with its length, if it is another one."""
    if after.error or (after.subject, after.subject_length) == (before.subject, before.subject_length):
        return ""
    return f"{after.subject or ''} ({before.subject_length or 0} → {after.subject_length} characters)".strip()
