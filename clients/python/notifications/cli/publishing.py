"""What differs between templates in files and on the server, and how the server gets what the files say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from notifications import NotFound, Notifications
from notifications.cli.files.template_files import TemplateText, of_server

Kind = Literal["new template", "new language", "changed", "description", "draft", "unchanged"]


@dataclass(frozen=True, slots=True)
class Change:
    """`draft_version` is the number of the newest version, when it is as the file says and is not active."""

    kind: Kind
    local: TemplateText
    remote: TemplateText | None = None
    draft_version: int | None = None

    @property
    def matters(self) -> bool:
        return self.kind != "unchanged"


def changes(client: Notifications, local: Sequence[TemplateText]) -> list[Change]:
    """One for each language of a template in the files."""
    found: dict[str, Any] = {}
    for code in {each.code for each in local}:
        try:
            found[code] = client.templates.get(code)
        except NotFound:
            found[code] = None
    return [_change(client, each, found[each.code]) for each in local]


def _change(client: Notifications, local: TemplateText, template: Any) -> Change:
    if template is None:
        return Change("new template" if local.is_default else "new language", local)
    if local.language not in template.languages:
        return Change("new language", local)
    active = client.templates.get(local.code, language=local.language)
    remote = of_server(active)
    local = _with_channels(local, remote)
    if local.parts != remote.parts:
        draft_version = _draft_version(client, local, active.version)
        return Change("draft" if draft_version else "changed", local, remote, draft_version)
    if local.is_default and local.about != remote.about:
        return Change("description", local, remote)
    return Change("unchanged", local, remote)


def _with_channels(local: TemplateText, remote: TemplateText) -> TemplateText:
    """A file without channels means all that the parts serve; push serves an e-mail's text. The server names them."""
    served = ["email", "push"] if local.parts["content"] or local.parts["text"] else ["push"]
    if local.parts["channels"] or served != remote.parts["channels"]:
        return local
    return replace(local, parts={**local.parts, "channels": served})


def _draft_version(client: Notifications, local: TemplateText, active: int) -> int | None:
    """The newest version, if it is later than the active one and as the file says."""
    newest = next(iter(client.templates.versions(local.code, language=local.language)), None)
    if newest is None or newest.version <= active:
        return None
    saved = of_server(client.templates.get(local.code, language=local.language, version=newest.version))
    return int(newest.version) if saved.parts == local.parts else None


class CannotBeADraft(Exception):
    """A new template or language cannot be saved as a draft."""


def apply(client: Notifications, change: Change, *, as_draft: bool) -> int:
    """Saves it, `as_draft` without activating it. Returns the version's number.

    Raises CannotBeADraft, and what the SDK raises.
    """
    code, language, parts = change.local.code, change.local.language, _fields(change.local)
    match change.kind:
        case "new template" | "new language" if as_draft:
            raise CannotBeADraft
        case "new template" | "new language":
            about: dict[str, Any] = {**change.local.about} or {"name": code}
            saved = client.templates.create(code=code, language=language, **about, **parts)
        case "draft" if change.draft_version is not None:
            if as_draft:
                return change.draft_version
            saved = client.templates.activate(code, change.draft_version, language=language)
        case "changed":
            saved = client.templates.replace(code, language=language, **parts, activate=not as_draft)
        case _:
            saved = client.templates.get(code, language=language)
    if change.local.is_default and change.remote and not as_draft:
        _describe(client, change)
    return int(saved.version)


def _describe(client: Notifications, change: Change) -> None:
    """Name, description and default language have no versions."""
    remote, local = change.remote, change.local
    if remote is None or remote.about != local.about:
        about: dict[str, Any] = {**local.about, "default_language": local.language}
        client.templates.update(local.code, language=local.language, **about)


def _fields(local: TemplateText) -> dict[str, Any]:
    """All of them, so that what the file does not have is removed."""
    given = {name: value for name, value in local.parts.items() if value not in ("", [], {})}
    return {"channels": None, "purpose": None, "sender": None, "link_schemes": None, **given}
