"""Templates in files are the server's, both ways."""

from types import SimpleNamespace

import pytest

from notifications.cli.exits import CommandError
from notifications.cli.files.template_files import difference, of_server, read_all


def answer(**changes) -> SimpleNamespace:
    """A template as the server gives it."""
    parts = {
        "code": "welcome", "language": "en", "default_language": "en", "name": "Welcome", "description": "",
        "subject": "Hello {{ name }}", "preheader": "", "content": "<p>Hello</p>\r\n<p>You: {{ name }}</p>\n", "text": "",
        "title": "Hi: {{ name }}", "body": "two\nlines", "image": "", "link": "", "link_schemes": ["myapp"],
        "channels": ["email", "push"], "purpose": None, "sender": None, "inline_css": True,
    }  # fmt: skip
    return SimpleNamespace(**{**parts, **changes})


def write(folder, template) -> None:
    for name, text in template.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"content": "<mjml><mj-body></mj-body></mjml>", "text": "Plain\n\n"},
        {"content": "", "title": "only push", "subject": ""},
        {"content": "---\nno: fence\n---\n", "subject": "yes"},
        {"subject": "# no comment", "body": "null", "purpose": "newsletter", "inline_css": False},
        {"description": "Zoë’s\n\tmultiline: text", "name": "2026"},
    ],
)
def test_what_was_pulled_reads_as_what_it_was(tmp_path, changes) -> None:
    template = of_server(answer(**changes))
    write(tmp_path, template)
    assert read_all(tmp_path) == [template]
    assert not list(difference(template, read_all(tmp_path)[0]))


def test_files_of_windows_are_the_same(tmp_path) -> None:
    template = of_server(answer())
    write(tmp_path, template)
    for path in tmp_path.glob("*/*/*"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_all(tmp_path) == [template]


def test_the_default_language_comes_first_and_has_the_name(tmp_path) -> None:
    write(tmp_path, of_server(answer(language="pt-BR", default_language="pt-BR")))
    write(tmp_path, of_server(answer(language="en", default_language="pt-BR")))
    assert [(each.language, dict(each.about)) for each in read_all(tmp_path)] == [
        ("pt-BR", {"name": "Welcome", "description": ""}),
        ("en", {}),
    ]


def test_a_difference_is_shown_as_diff_shows_it(tmp_path) -> None:
    before, after = of_server(answer()), of_server(answer(subject="Other"))
    shown = "\n".join(difference(before, after))
    assert "-subject: Hello {{ name }}" in shown
    assert "+subject: Other" in shown
    assert "+++ local/welcome/en/template.html" in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<p>no fields</p>", "has to begin"),
        ("---\nname: x\n<p>not closed</p>", "has to begin"),
        ("---\nname: [x\n---\n<p></p>", "no YAML"),
        ("---\n- a\n---\n<p></p>", "one a line"),
        ("---\nname: x\nsubjekt: y\n---\n<p></p>", "subjekt is no field"),
        ("---\nname: x\nsubject: 12\n---\n<p></p>", "subject is of the wrong kind"),
        ("---\nname: x\nsubject: !!python/object/apply:os.system [ls]\n---\n", "no YAML"),
        ("---\nsubject: x\n---\n<p></p>", "exactly one language"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_its_name(tmp_path, text, said) -> None:
    path = tmp_path / "welcome" / "en" / "template.html"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(CommandError, match=said) as refused:
        read_all(tmp_path)
    assert "welcome" in refused.value.message


@pytest.mark.parametrize("changes", [{"code": "../etc"}, {"language": "../x"}, {"code": ""}])
def test_a_server_cannot_choose_a_file_elsewhere(changes) -> None:
    with pytest.raises(CommandError, match="no name"):
        of_server(answer(**changes))
