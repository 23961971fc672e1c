"""Content without markup is plain text: sent as it is, and as HTML that keeps its paragraphs and line ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from turbohtml import parse

from templating import RenderedEmail, TemplateSource, compile_template
from templating.html_text import html_to_text
from templating.liquid_marks import LiquidMark
from templating.plain_content import is_html


def mail(content: str, *, text: str = "", **variables: object) -> RenderedEmail:
    return compile_template(TemplateSource(html=content, text=text)).render_email(variables)


def test_paragraphs_and_line_ends_are_kept():
    content = "Hello {{ name }},\n\nyour order is ready.\nCome and get it.\n\n\nBye"
    sent = mail(content, name="Ada")
    assert sent.text == "Hello Ada,\n\nyour order is ready.\nCome and get it.\n\n\nBye"
    assert sent.html == "<p>Hello Ada,</p>\n<p>your order is ready.<br>\nCome and get it.</p>\n<p>Bye</p>"


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
def test_line_ends_of_every_kind_are_line_ends(line_end):
    assert mail(line_end.join("abc")).html == "<p>a<br>\nb<br>\nc</p>"
    assert mail(line_end.join(["a", " ", "b"])).html == "<p>a</p>\n<p>b</p>"


@pytest.mark.parametrize(
    "text",
    [
        "a < b and b > a",
        "if a<b, c>d",
        "I <3 you",
        "<- here ->",
        "Write to <ada@example.com>.",
        "See <https://example.com/x>",
        "Dear <name>, </name>",
        "x <= y << z",
        "Fish & chips, AT&T; R&D &",
        "1 &lt 2",
        "<>",
        "</>",
        "<!>",
        "3<a",
        "'quotes' \"and\" \\",
    ],
)
def test_what_is_no_markup_is_said_as_it_stands(text):
    sent = mail(text)
    assert sent.text == text
    assert html_to_text(sent.html).split() == text.split()


@pytest.mark.parametrize(
    "html",
    [
        "a<br>b",
        "<p>a</p>\n\n<p>b</p>",
        "<P>a",
        "a<br/>\nb",
        "<a href='x'>b</a>",
        "a <!-- b -->",
        "<!DOCTYPE html>a",
        "Fish &amp; chips",
        "5&nbsp;&euro;",
        "&#8364; &#x20AC;",
        "</b>",
        "<img src=x>",
        "{% if a %}<b>{% endif %}x",
        "<p class='{{ a }}'>x",
        "{{ a | newline_to_br }}",
        "{{ a | default: '<br>' }}",
        "{{ a | escape }}",
    ],
)
def test_what_holds_markup_is_html_as_it_always_was(html):
    assert "<p>" not in mail(html, a="x").html.replace("<p>a</p>", "").replace("<p>b</p>", "")


def test_a_tag_that_writes_a_table_makes_html():
    assert is_html("{% tablerow i in a %}x", (LiquidMark(0, "{% tablerow i in a %}"),))


def test_values_are_text_whatever_they_hold():
    sent = mail("Hi {{ name }}:\n{{ message }}", name="<script>alert(1)</script>", message="a\n\nb & <b>c</b>")
    assert sent.text == "Hi <script>alert(1)</script>:\na\n\nb & <b>c</b>"
    assert "<script" not in sent.html
    assert sent.html.endswith("<p>b &amp; &lt;b&gt;c&lt;/b&gt;</p>")


def test_loops_and_conditions_work_in_text():
    sent = mail(
        "Items:{% for i in items %}\n- {{ i }}{% endfor %}{% if vip %}\n\nThanks{% endif %}", items=[1, 2], vip=True
    )
    assert sent.text == "Items:\n- 1\n- 2\n\nThanks"
    assert sent.html == "<p>Items:<br>\n- 1<br>\n- 2</p>\n<p>Thanks</p>"


def test_web_addresses_can_be_followed_in_the_html():
    sent = mail("Go to {{ link }}.\n(https://b.example/x)", link="https://a.example/?x=1&y='2'")
    assert '<a href="https://a.example/?x=1&amp;y=">https://a.example/?x=1&amp;y=</a>' in sent.html
    assert '(<a href="https://b.example/x">https://b.example/x</a>)' in sent.html
    assert "href" not in mail("{{ link }}", link="javascript:alert(1)").html


def test_a_text_of_its_own_is_used_beside_it():
    sent = mail("a\n\nb", text="c")
    assert (sent.html, sent.text) == ("<p>a</p>\n<p>b</p>", "c")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_html_says_what_the_text_says_and_no_value_makes_markup(value):
    sent = mail("{{ v }}", v=value)
    assert sent.text == value.replace("\0", "")
    assert html_to_text(sent.html).replace("\xad", "").split() == sent.text.replace("\xad", "").split()
    assert {element.tag for element in parse(sent.html).find_all()} <= {"html", "head", "body", "p", "br", "a"}
