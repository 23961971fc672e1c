"""A template for e-mail can be pushed: the text of its content, titled by its subject."""

import pytest

from templating import MissingVariables, TemplateSource, compile_template
from templating.source import MAX_PUSH_TEXT_BYTES

BRIEF = TemplateSource(subject="Welcome Email", html="<html><body>Hello {{name}}!</body></html>")


def pushed(source: TemplateSource, **variables: object) -> tuple[str, str]:
    push = compile_template(source).render_push(variables)
    return push.title, push.body


@pytest.mark.parametrize(
    ("source", "title", "body"),
    [
        (BRIEF, "Welcome Email", "Hello Ada!"),
        (TemplateSource(subject="S {{ name }}", text="T {{ name }}"), "S Ada", "T Ada"),
        (TemplateSource(subject="S", html="<p>H", text="T"), "S", "T"),
        (TemplateSource(subject="S", html="Hi {{ name }},\n\nbye"), "S", "Hi Ada,\n\nbye"),
        (TemplateSource(subject="S", html="<p>H", body="B"), "S", "B"),
        (TemplateSource(subject="S", html="<p>H", title="T"), "T", "H"),
        (TemplateSource(subject="S", html="<p>H", title="T", body="B"), "T", "B"),
        (TemplateSource(title="T"), "T", ""),
        (TemplateSource(body="B"), "", "B"),
        (TemplateSource(html="<p>a</p><p>b</p>"), "", "a\n\nb"),
    ],
)
def test_what_a_push_says(source, title, body):
    assert pushed(source, name="Ada") == (title, body)


def test_what_is_missing_for_it_is_named():
    with pytest.raises(MissingVariables) as missing:
        compile_template(TemplateSource(subject="{{ s }}", html="<p>{{ h }}", text="{{ t }}")).render_push({})
    assert missing.value.names == ("s", "t")


@pytest.mark.parametrize("letter", ["a", "é", "漢", "😀"])
@pytest.mark.parametrize("separator", [" ", "\n", ""])
def test_a_long_text_is_cut_between_words_to_what_a_push_can_carry(letter, separator):
    text = separator.join([letter * 5] * 900)
    _, body = pushed(TemplateSource(html="{{ t }}"), t=text)
    assert body.endswith("…")
    assert len(body.encode()) <= MAX_PUSH_TEXT_BYTES
    assert len(body.encode()) > MAX_PUSH_TEXT_BYTES - 60
    assert text.startswith(body[:-1])
    assert separator == "" or text[len(body) - 1].isspace()


def test_a_body_of_its_own_is_never_cut():
    assert pushed(TemplateSource(body="{{ t }}"), t="a" * 5_000) == ("", "a" * 5_000)
