"""`templates pull`, `push`, `diff`, `preview`: templates as files, which git keeps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from notifications import Notifications, NotificationsError
from notifications.cli import output
from notifications.cli.commands.failures import confirm
from notifications.cli.commands.trials import trial
from notifications.cli.connecting import connect
from notifications.cli.exits import CommandError, ExitCode
from notifications.cli.files.template_files import TemplateText, difference, of_server, read_all
from notifications.cli.options import AsJson, ChannelName, Language, ProfileName, Variables, VariablesFile, Yes
from notifications.cli.publishing import CannotBeADraft, Change, apply, changes
from notifications.cli.variables import variables

Codes = Annotated[list[str] | None, typer.Argument(metavar="[CODE]...", help="Default: all.")]
Folder = Annotated[Path, typer.Option("--dir", "-d", help="The folder of the templates.")]
DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def pull(
    codes: Codes = None, folder: Folder = Path("templates"), as_json: AsJson = False, profile: ProfileName = None
) -> None:
    """Write the server's active templates into files. Files that differ are replaced."""
    written: list[str] = []
    with connect(profile) as client:
        for code in codes or [each.code for each in client.templates.list()]:
            for language in client.templates.get(code).languages:
                template = of_server(client.templates.get(code, language=language))
                written += _write(folder, template)
    if as_json:
        output.show_json({"written": written})
        return
    for name in written:
        output.line(name)
    output.note(f"{len(written)} files written, the others are as they were")


def _write(folder: Path, template: TemplateText) -> list[str]:
    """The names of the files that were not as they are now."""
    changed = []
    for other in (folder / template.code / template.language).glob("t*.*"):
        if other.name in {"template.html", "template.mjml", "text.txt"} and _name(folder, other) not in template.files:
            other.unlink()
            changed.append(_name(folder, other))
    for name, text in template.files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != text.encode():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            changed.append(name)
    return changed


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def push(
    codes: Codes = None,
    folder: Folder = Path("templates"),
    draft: Annotated[bool, typer.Option("--draft", help="Save changes as versions that are not active yet.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Save on the server what differs in the files. What is only on the server stays."""
    with connect(profile) as client:
        pending = [change for change in changes(client, _chosen(folder, codes)) if change.matters]
        if not pending:
            output.note("The server has everything as the files say")
        elif not yes:
            output.table(
                ("TEMPLATE", "LANGUAGE", "CHANGE"),
                [(each.local.code, each.local.language, each.kind) for each in pending],
            )
            confirm(f"Save {len(pending)} changes{' as drafts' if draft else ''}?", yes=yes)
        results = [_pushed(client, change, draft=draft) for change in pending]
    if as_json:
        output.show_json(results)
    else:
        output.table(
            ("TEMPLATE", "LANGUAGE", "CHANGE", "VERSION", "PROBLEM"), [tuple(result.values()) for result in results]
        )
    if any(result["problem"] for result in results):
        raise typer.Exit(ExitCode.BAD_OUTCOME)


def _pushed(client: Notifications, change: Change, *, draft: bool) -> dict[str, Any]:
    """One that is refused does not keep the others back."""
    version, problem = None, None
    try:
        version = apply(client, change, as_draft=draft)
    except CannotBeADraft:
        problem = "a new template or language cannot be saved as a draft: push it without --draft"
    except NotificationsError as error:
        problem = str(error)
    return {"code": change.local.code, "language": change.local.language, "change": change.kind, "version": version,
            "problem": problem}  # fmt: skip


def diff(
    codes: Codes = None, folder: Folder = Path("templates"), as_json: AsJson = False, profile: ProfileName = None
) -> None:
    """Show what `push` would change. Ends with 1 if there is anything."""
    with connect(profile) as client:
        pending = [change for change in changes(client, _chosen(folder, codes)) if change.matters]
    if as_json:
        output.show_json(
            [
                {"code": each.local.code, "language": each.local.language, "change": each.kind,
                 "diff": list(difference(each.remote, each.local))}
                for each in pending
            ]
        )  # fmt: skip
    else:
        for change in pending:
            for text in difference(change.remote, change.local):
                output.line(output.in_style(text, DIFF_STYLES.get(text[:1], "")))
    if pending:
        raise typer.Exit(ExitCode.BAD_OUTCOME)


def preview(
    code: Annotated[str, typer.Argument(help="The template's code.")],
    folder: Folder = Path("templates"),
    language: Language = None,
    channel: Annotated[ChannelName | None, typer.Option(help="Default: all that it is for.")] = None,
    saved: Annotated[bool, typer.Option("--saved", help="The server's active version in place of the file.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the HTML to this file.")] = None,
    var: Variables = None,
    vars_file: VariablesFile = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Render a template with the server's renderer, and send nothing. The file counts, saved or not."""
    with connect(profile) as client:
        given = variables(var or [], vars_file)
        shown = (
            client.templates.render(code, variables=given, language=language, channel=channel)
            if saved
            else client.templates.render_unsaved(
                **_unsaved(_one(folder, code, language)), variables=given, channel=channel
            )
        )
    if html is not None:
        if shown.email is None:
            raise CommandError(f"The template {code} is not for email, so there is no HTML")
        html.write_text(shown.email.html, encoding="utf-8")
    if as_json:
        output.show_json(shown)
        return
    if shown.email:
        output.line(f"Subject: {shown.email.subject}")
        output.paragraphs(f"\n{shown.email.text}")
    if shown.push:
        output.line(f"Push: {shown.push.title}")
        output.paragraphs(shown.push.body)
    for warning in shown.warnings:
        output.note(f"Warning: {warning}")


def _chosen(folder: Path, codes: Sequence[str] | None) -> list[TemplateText]:
    found = read_all(folder)
    missing = sorted(set(codes or ()) - {each.code for each in found})
    if missing:
        raise CommandError(f"There is no {', '.join(missing)} in {folder}")
    return [each for each in found if not codes or each.code in codes]


def _one(folder: Path, code: str, language: str | None) -> TemplateText:
    languages = _chosen(folder, [code])
    found = next(
        (each for each in languages if each.language == language or (language is None and each.is_default)), None
    )
    if found is None:
        raise CommandError(
            f"{folder / code} has no {language}; it has {', '.join(each.language for each in languages)}"
        )
    return found


def _unsaved(template: TemplateText) -> dict[str, Any]:
    apart = {"channels", "purpose", "sender"}
    parts = {name: value for name, value in template.parts.items() if name not in apart and value not in ("", [])}
    return {**parts, "name": template.about["name"]} if template.about else parts


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Templates as files, and trials of their versions.", no_args_is_help=True, rich_markup_mode=None
    )
    for command in (pull, push, diff, preview, trial):
        group.command()(command)
    app.add_typer(group, name="templates")
