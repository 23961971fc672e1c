"""A mail whose template has only HTML gets a readable text part, at the price of filling one in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templating import TemplateError, TemplateSource, compile_template
from templating.html_text import html_to_text

PLAIN = (
    "<html><head><title>{{ a }}</title><style>p { color: red }</style></head><body style='color:{{ b }}'>"
    "<div style='display:none'>preheader {{ a }}</div><h1>Hello {{ a }}!</h1><p>You  owe\n<b>{{ b }}</b>&nbsp;&euro;</p>"
    "<table><tr><td>{{ a }}</td><td>{{ b }}</td></tr><tr><td>x</td><td>{{ a }}</td></tr></table>"
    "<ul><li>{{ a }}</li><li>two</li></ul><p><a href='{{ link }}'>Pay {{ b }}</a> <a href='https://e/{{ a }}'>or</a></p>"
    "<img src='{{ link }}' alt='{{ a }}'></body></html>"
)
TAGGED = (
    "<p>Hi{% if a != 'x' %} {{ a | upcase }}{% else %} you{% endif %},</p>"
    "{% unless b == 'x' %}<p>Pay {{ b }}</p>{% endunless %}"
    "<ul>{% for i in items %}<li>{{ i }}: <a href='{{ link }}'>see</a></li>{% endfor %}</ul>"
    "<table>{% for i in items %}<tr><td>{{ forloop.index }}</td><td>{{ i }}</td></tr>{% endfor %}</table>bye"
)
words = st.text(st.characters(categories=["L", "N", "P", "S", "Co"], include_characters=" "), min_size=1, max_size=12)


@pytest.mark.parametrize("source", [PLAIN, TAGGED])
@given(a=words, b=words, link=st.sampled_from(["https://e/1", "javascript:x"]), items=st.lists(words, max_size=3))
def test_the_text_prepared_once_says_what_converting_each_mail_would_say(source, a, b, link, items):
    template = compile_template(TemplateSource(html=source))
    assert template.derived_text is not None
    mail = template.render_email({"a": a, "b": b, "link": link, "items": items})
    assert mail.text.split() == html_to_text(mail.html).split()


@pytest.mark.parametrize(
    "source",
    [
        "<p {% if a %}class='x'{% endif %}>{{ a }}</p>",  # a tag that is not in the text
        "<p>{{ a | escape }}</p>",
        "<p>{{ a | newline_to_br }}</p>",
        "<p>{{ '<i>' | append: a }}</p>",
        "<p>&#123;&#123; {{ a }} }}</p>",
        "<p>&#123;&#123; b }} {{ a }}</p>",
        "<p>\ue000 {{ a }}</p>",
    ],
)
def test_where_the_source_does_not_allow_it_each_mail_is_converted(source):
    template = compile_template(TemplateSource(html=source))
    assert template.derived_text is None
    mail = template.render_email({"a": "1 < 2"})
    assert mail.text == html_to_text(mail.html)


def test_the_text_reads_as_a_person_would_write_it():
    mail = compile_template(TemplateSource(html=PLAIN)).render_email(
        {"a": "A & B", "b": 5, "link": "https://e/?x=1&y=2"}
    )
    assert mail.text == (
        "Hello A & B!\n\nYou owe 5 €\n\nA & B 5\nx A & B\n  * A & B\n  * two\n\n"
        "[Pay 5](https://e/?x=1&y=2) [or](https://e/A & B)"
    )


def test_a_text_of_its_own_is_used_as_it_is():
    assert compile_template(TemplateSource(html="<p>a</p>", text="b\n\n\n\nc")).render_email({}).text == "b\n\n\n\nc"


def test_styles_cannot_blow_the_text_up():
    wide = "<p style='margin-top:99999em;padding-left:99999em'>x</p>" * 50
    cells = "<table><tr><td>" + "a" * 100_000 + "</td></tr>" + "<tr><td>x</td></tr>" * 2_000 + "</table>"
    assert len(compile_template(TemplateSource(html=wide)).render_email({}).text) < 200
    assert len(compile_template(TemplateSource(html=cells)).render_email({}).text) < 110_000


def test_more_tags_than_can_be_converted_in_time_need_a_text_of_their_own():
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(html="<p>a" * 20_000))
    assert (refused.value.code, refused.value.field) == ("template_limit", "text")
    assert compile_template(TemplateSource(html="<p>a" * 20_000, text="a")).render_email({}).text == "a"


def test_the_text_has_no_trailing_blanks_and_no_gaps():
    template = compile_template(TemplateSource(html=TAGGED))
    text = template.render_email({"a": "x", "b": "x", "link": "https://e/", "items": ["one", "two"]}).text
    assert "\n\n\n" not in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
