"""Templates as files: `<code>/<language>/template.html` (or `.mjml`) with YAML before the content, and `text.txt` beside it.

The file of the default language also has the template's name and description.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from notifications.cli.exits import CommandError

TEXTS = ("subject", "preheader", "title", "body", "image", "link")
LISTS = ("channels", "link_schemes")
ABOUT = ("name", "description")
FRONT = (*ABOUT, "subject", "preheader", "channels", "purpose", "sender", "title", "body", "image", "link", "link_schemes",
         "inline_css")  # fmt: skip
SENDER = ("from_name", "from_email", "reply_to")
FENCE = "---"
CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class TemplateText:
    """A template in one language, in a form in which equal ones are equal. `about` is empty but for the default language."""

    code: str
    language: str
    parts: Mapping[str, Any]
    about: Mapping[str, str]

    @property
    def is_default(self) -> bool:
        return bool(self.about)

    @property
    def files(self) -> dict[str, str]:
        """The texts by their names below the templates' folder."""
        front = {
            name: value for name in FRONT if (value := {**self.about, **self.parts}.get(name)) not in ("", None, [], {})
        }
        written = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=120)
        content = self.parts["content"]
        suffix = "mjml" if content.lstrip().startswith("<mjml") else "html"
        folder = f"{self.code}/{self.language}"
        files = {f"{folder}/template.{suffix}": f"{FENCE}\n{written}{FENCE}\n{content}\n"}
        if self.parts["text"]:
            files[f"{folder}/text.txt"] = f"{self.parts['text']}\n"
        return files


def of_server(template: Any) -> TemplateText:
    """`template` is the API's answer."""
    code, language = str(template.code), str(template.language)
    if not CODE.fullmatch(code) or not LANGUAGE.fullmatch(language):
        raise CommandError(f"The template {code!r} in {language!r} has no name that a file may have")
    about = {name: getattr(template, name) for name in ABOUT} if language == template.default_language else {}
    sender = template.sender.model_dump() if template.sender else {}
    given = {name: getattr(template, name) for name in (*TEXTS, *LISTS, "content", "text", "purpose", "inline_css")}
    return TemplateText(code, language, _normal({**given, "sender": sender}), about)


def read_all(folder: Path) -> list[TemplateText]:
    """In the order in which they can be saved: of each template the default language first."""
    if not folder.is_dir():
        raise CommandError(f"There is no folder {folder}; `notify templates pull` makes it")
    found = [_read(path) for path in sorted(folder.glob("*/*/template.*"))]
    for code in {each.code for each in found}:
        languages = [each for each in found if each.code == code]
        if len({each.language for each in languages}) < len(languages):
            raise CommandError(f"{folder / code}: a language has two files named template")
        if sum(each.is_default for each in languages) != 1:
            raise CommandError(f"{folder / code}: exactly one language, the default, has a name in its file")
    names = {each.code: each.about["name"] for each in found if each.is_default}
    found = [_with_subject(each, names[each.code]) for each in found]
    return sorted(found, key=lambda each: (each.code, not each.is_default, each.language))


def _read(path: Path) -> TemplateText:
    code, language = path.parts[-3:-1]
    if not CODE.fullmatch(code) or not LANGUAGE.fullmatch(language):
        raise CommandError(f"{path}: folders are named after the template's code and language")
    front, content = _split(path)
    unknown = sorted(front.keys() - set(FRONT))
    if unknown:
        raise CommandError(f"{path}: {', '.join(unknown)} is no field of a template")
    for name, value in front.items():
        if not _fits(name, value):
            raise CommandError(
                f"{path}: {name} is of the wrong kind (a text has quotation marks where YAML sees more in it)"
            )
    text = path.with_name("text.txt")
    parts = {**front, "content": content, "text": _unix(text).removesuffix("\n") if text.exists() else ""}
    about = {name: front.get(name) or "" for name in ABOUT} if front.get("name") else {}
    return TemplateText(code, language, _normal(parts), about)


def _with_subject(template: TemplateText, name: str) -> TemplateText:
    """As the server does it: a template that needs a subject and has none gets its name as one."""
    parts = template.parts
    if parts["subject"] or not (parts["content"] or parts["text"] or not parts["title"]):
        return template
    return replace(template, parts={**parts, "subject": name})


def _fits(name: str, value: object) -> bool:
    if value is None:
        return True
    if name in LISTS:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if name == "sender":
        return isinstance(value, dict) and all(key in SENDER and isinstance(each, str) for key, each in value.items())
    return isinstance(value, bool if name == "inline_css" else str)


def _split(path: Path) -> tuple[dict[str, Any], str]:
    text = _unix(path)
    begin, _, rest = text.partition(f"{FENCE}\n")
    written, end, content = f"\n{rest}".partition(f"\n{FENCE}\n")
    if begin or not end:
        raise CommandError(f"{path} has to begin with the template's fields between two lines {FENCE}")
    try:
        front = yaml.safe_load(written) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise CommandError(f"{path}{where}: the fields are no YAML") from error
    if not isinstance(front, dict):
        raise CommandError(f"{path}: the fields are written `subject: Welcome`, one a line")
    return front, content.removesuffix("\n")


def _unix(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # also turns every end of line into \n
    except (OSError, UnicodeError) as error:
        raise CommandError(f"{path} cannot be read as UTF-8") from error


def _normal(parts: Mapping[str, Any]) -> dict[str, Any]:
    lines = {name: (parts.get(name) or "").replace("\r\n", "\n") for name in (*TEXTS, "content", "text")}
    lists = {name: sorted(parts.get(name) or []) for name in LISTS}
    sender = {name: value for name in SENDER if (value := (parts.get("sender") or {}).get(name))}
    return {**lines, **lists, "purpose": parts.get("purpose") or None, "sender": sender,
            "inline_css": parts.get("inline_css") is not False}  # fmt: skip


def difference(before: TemplateText | None, after: TemplateText | None) -> Iterator[str]:
    """As `diff -u` shows it: what pushing `after` changes."""
    old, new = before.files if before else {}, after.files if after else {}
    for name in sorted({*old, *new}):
        yield from difflib.unified_diff(
            old.get(name, "").splitlines(), new.get(name, "").splitlines(),
            f"server/{name}" if name in old else "/dev/null", f"local/{name}" if name in new else "/dev/null",
            lineterm="",
        )  # fmt: skip
