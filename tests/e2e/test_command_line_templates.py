"""`notify templates`: from the server into files, and back what has changed."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from testkit.system import System
from tests.e2e.notify_command import NotifyCommand, notify_command


@pytest.fixture
def notify(system: System, tmp_path: Path) -> NotifyCommand:
    return notify_command(system, tmp_path)


@pytest.fixture
def code(system: System, notify: NotifyCommand) -> str:
    """A template in two languages, pulled."""
    code = f"order_{uuid4().hex[:8]}"
    body = {
        "code": code,
        "name": "Order",
        "subject": "Order {{ id }}",
        "content": "<p>Thanks, {{ name }}</p>",
        "title": "Order",
    }
    system.call("POST", "/templates/", {**body, "purpose": "orders", "text": "Thanks, {{ name }}\n"})
    system.call("POST", "/templates/", {**body, "language": "pt-BR", "subject": "Pedido {{ id }}"})
    pulled = notify("templates", "pull", code).ok()
    assert sorted(pulled.out.splitlines()) == [
        f"{code}/en/template.html", f"{code}/en/text.txt", f"{code}/pt-BR/template.html",
    ]  # fmt: skip
    return code


def file_of(notify: NotifyCommand, code: str, language: str = "en") -> Path:
    return notify.folder / "templates" / code / language / "template.html"


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_was_pulled_is_what_is_there_and_pulling_again_writes_nothing(notify: NotifyCommand, code: str) -> None:
    assert notify("templates", "diff", code).ok().out == ""
    assert notify("templates", "push", code, "--yes").ok().out == ""
    assert notify("templates", "pull", code).ok().out == ""


def test_push_saves_what_changed_and_nothing_else(system: System, notify: NotifyCommand, code: str) -> None:
    changed(file_of(notify, code), "subject: Order", "subject: Your order")
    changed(file_of(notify, code), "name: Order", "name: Orders")
    (notify.folder / "templates" / code / "en" / "text.txt").unlink()
    shown = notify("templates", "diff", code)
    assert shown.code == 1
    assert "+subject: Your order {{ id }}" in shown.out.splitlines()
    assert "pt-BR" not in shown.out
    assert notify("templates", "push", code).code == 2  # nobody can be asked
    pushed = notify("templates", "push", code, "--yes").ok()
    assert pushed.out == f"{code}\ten\tchanged\t2\t\n"
    saved = system.call("GET", f"/templates/{code}")
    assert (saved["subject"], saved["name"], saved["text"], saved["purpose"]) == (
        "Your order {{ id }}",
        "Orders",
        "",
        "orders",
    )
    assert system.call("GET", f"/templates/{code}?language=pt-BR")["version"] == 1
    assert notify("templates", "diff", code).ok().out == ""


def test_a_draft_is_not_active_until_it_is_pushed(system: System, notify: NotifyCommand, code: str) -> None:
    changed(file_of(notify, code), "Thanks", "Many thanks")
    for _ in range(2):  # the second time it is there already
        assert notify("templates", "push", code, "--yes", "--draft").ok().out.split("\t")[3] == "2"
    assert system.call("GET", f"/templates/{code}")["version"] == 1
    assert notify("templates", "diff", code).code == 1
    assert notify("templates", "push", code, "--yes").ok().out.split("\t")[2:4] == ["draft", "2"]
    active = system.call("GET", f"/templates/{code}")
    assert (active["version"], active["content"]) == (2, "<p>Many thanks, {{ name }}</p>")


def test_new_templates_and_languages_are_made_and_a_refused_one_keeps_none_back(
    system: System, notify: NotifyCommand, code: str
) -> None:
    new = f"new_{uuid4().hex[:8]}"
    for language, front in (("en", "name: New"), ("de", "subject: Hallo")):
        path = file_of(notify, new, language)
        path.parent.mkdir(parents=True)
        path.write_text(f"---\n{front}\n---\n<p>{{{{ name }}}}</p>\n")
    changed(file_of(notify, code), "{{ name }}", "{{ name | nonsense }}")
    done = notify("templates", "push", "--yes", "--json")
    assert done.code == 1
    results = {(each["code"], each["language"]): each for each in json.loads(done.out)}
    assert "invalid_template" in results[code, "en"]["problem"]
    assert [results[new, language]["change"] for language in ("en", "de")] == ["new template", "new language"]
    saved = system.call("GET", f"/templates/{new}?language=de")
    assert (saved["subject"], saved["default_language"], saved["name"]) == ("Hallo", "en", "New")
    assert notify("templates", "diff", new).ok().out == ""
    path = file_of(notify, new, "fr")
    path.parent.mkdir()
    path.write_text("---\nsubject: Salut\n---\n<p>{{ name }}</p>\n")
    draft = notify("templates", "push", new, "--yes", "--draft")
    assert (draft.code, "without --draft" in draft.out) == (1, True)


def test_a_preview_is_of_the_file_and_hostile_values_are_only_shown(notify: NotifyCommand, code: str) -> None:
    changed(file_of(notify, code), "subject: Order", "subject: Not saved")
    given = ("--var", "id=[red]1[/red]\x1b[31m", "--var", "name=Ada", "--channel", "email")
    shown = notify("templates", "preview", code, *given, "--html", "out.html").ok()
    assert "Subject: Not saved [red]1[/red]" in shown.out
    assert "\x1b" not in shown.out
    assert "<p>Thanks, Ada</p>" in (notify.folder / "out.html").read_text()
    assert "Subject: Order" in notify("templates", "preview", code, *given, "--saved").ok().out
    missing = notify("templates", "preview", code, "--language", "pt-BR")
    assert (missing.code, "missing_variables" in missing.err) == (5, True)
    assert notify("templates", "preview", code, "--language", "fr").code == 2
