"""A value is text, wherever it lands: never markup, a script, or a link that runs one. (Abuse cases 16 and 17.)"""

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from templating import TemplateError, TemplateSource, compile_template

SCRIPT = "<script>alert(1)</script>"


def html(source: str, **variables: object) -> str:
    return compile_template(TemplateSource(html=source)).render_email(variables).html


def refusal(source: str) -> str:
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(html=source))
    assert refused.value.field == "html"
    return refused.value.code


class Tags(HTMLParser):
    """Collects the tags that a browser would see."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def scheme(url: str) -> str:
    """The scheme as a browser reads it: blanks around it and tabs and line ends anywhere do not count."""
    url = url.strip("".join(map(chr, range(0x21)))).translate({9: None, 10: None, 13: None})
    before, colon, _ = url.partition(":")
    return before.lower() if colon and before[:1].isalpha() and not set("/?#") & set(before) else ""


@pytest.mark.parametrize("source", ["<p>{{ x }}</p>", "<p>{{ x | strip }}</p>", "{% if x %}{{ x }}{% endif %}"])
def test_a_value_is_not_read_as_a_template_nor_as_html(source):
    rendered = html(source, x="{{secret}}{% include 'a' %}" + SCRIPT, secret="s3cret")
    assert "{{secret}}{% include &#39;a&#39; %}&lt;script&gt;" in rendered
    assert "<script" not in rendered


@pytest.mark.parametrize(
    "source",
    [
        "{% assign y = x %}{{ y }}",
        "{% capture y %}{{ x }}{% endcapture %}{{ y }}",
        "{% for y in list %}{{ y }}{% endfor %}",
        "{{ list }}",
        "{{ x | append: '' }}",
        "{{ '<b>' | append: x }}",
        "{{ x | newline_to_br }}",
        "{{ list | join: ', ' }}",
        "{{ x | replace: 'a', '' }}",
        "{{ y | default: x }}",
        "{{ x | escape_once }}",
        "<title>{{ x }}</title>",
        "<!-- {{ x }} -->",
    ],
)
def test_no_way_through_a_template_leaves_a_value_unescaped(source):
    assert "<script" not in html(source, x=SCRIPT, list=[SCRIPT])


def test_the_filter_that_would_switch_escaping_off_does_not_exist():
    assert refusal("{{ x | safe }}") == "template_syntax"


@given(st.text())
@example('" onmouseover="alert(1)')
@example("' x='")
@example("javascript:alert(1)")
@example("java\tscript:alert(1)")
@example(" \x01javascript:alert(1)")
@example("JaVaScRiPt&colon;alert(1)")
@example("data:text/html,x")
@example("vbscript:x")
def test_a_value_in_an_attribute_stays_there_and_a_link_never_runs_code(value):
    source = """<a href="{{ v }}" title='{{ v }}' style="color: {{ v }}">x</a><img src='{{ v }}'>"""
    tags = Tags(html(source, v=value)).tags
    assert [(tag, set(attributes)) for tag, attributes in tags] == [("a", {"href", "title", "style"}), ("img", {"src"})]
    for url in (tags[0][1]["href"], tags[1][1]["src"]):
        assert scheme(url or "") in {"", "http", "https", "mailto", "tel", "sms", "cid"}
    assert not set(":;()") & set((tags[0][1]["style"] or "").removeprefix("color: "))


PIECES = "javascript|java|script|:|script:|\t|\n| |alert(1)|&|colon;|#|/|&#58;|"
pieces = st.sampled_from(PIECES.split("|"))


@given(st.lists(pieces, max_size=4).map("".join), st.lists(pieces, max_size=4).map("".join))
@example("javascript", ":alert(1)")
def test_a_scheme_cannot_be_put_together_from_two_values(first, second):
    source = '<a href="{{ a }}{{ b }}">x</a>'
    (link,) = Tags(html(source, a=first, b=second)).tags
    assert scheme(link[1]["href"] or "") != "javascript"


@pytest.mark.parametrize(
    "source",
    [
        '<a href="{{ v }}">',
        "<a href='{{ v }}'>",
        '<a HREF = "{{ v }}">',
        '<a href=" {{ v }}">',
        '<a href="{{ v }}/path">',
        '<form action="{{ v }}">',
        '<button formaction="{{ v }}">',
        '<a href="{{ v | strip }}">',
        '<a href="{% if a %}https://a.b/{% endif %}{{ v }}">',
        '<a href="{% if a %}{{ v }}{% else %}{{ v }}{% endif %}">',
        '{% for i in (1..2) %}<a href="{{ v }}">{% endfor %}',
        '{% capture u %}{{ v }}{% endcapture %}<a href="{{ u }}">',
        '<a {% if a %}href{% else %}href{% endif %}="{{ v }}">',
        '<!--[if mso]><v:rect href="{{ v }}"><![endif]-->',
        '<!--><a href="{{ v }}">',
        '<!-- a --><a href="{{ v }}">',
    ],
)
def test_a_dangerous_link_is_neutralised_wherever_it_begins_one(source):
    assert "script:" not in html(source, v="java\tscript:alert(1)").replace("\t", "")
    assert "https://example.com/?a=1&amp;b=2" in html(source, v="https://example.com/?a=1&b=2")


@pytest.mark.parametrize(
    "value", ["https://a.b", "http://a.b", "mailto:a@b.c", "tel:+1", "/path", "page", "#x", "?a:b"]
)
def test_an_ordinary_link_is_left_alone(value):
    assert html('<a href="{{ v }}">', v=value) == f'<a href="{value}">'


def test_a_value_after_the_beginning_of_a_link_is_only_escaped():
    source = '<a href="https://a.b/?q={{ v }}">'
    assert html(source, v='javascript:"') == '<a href="https://a.b/?q=javascript:&#34;">'


@pytest.mark.parametrize(
    "source",
    [
        '<a href="javascript:{{ v }}">',
        '<a href="java&#115;cript:{{ v }}">',
        '<a href="java\tscript:{{ v }}">',
        '<a href="data:text/html,{{ v }}">',
        '<a href="{{ v }}:{{ v }}">',
        '<a href="{{ v }}&{{ v }}">',
        '<a href="{% for i in list %}{{ i }}:{% endfor %}">',
        '<a href="{% if v %}javascript:{% endif %}{{ v }}">',
        '<a href="' + "x" * 600 + '{{ v }}">',
        '<a href="{{ v }}&colon;{{ v }}">',
    ],
)
def test_a_link_whose_scheme_is_dangerous_or_made_of_values_is_refused(source):
    assert refusal(source) == "unsafe_url"


@pytest.mark.parametrize(
    "source",
    [
        "<a href={{ v }}>",
        "<a title={{ v }}>",
        "<a title=x{{ v }}>",
        "<a title= {{ v }}>",
        "<script>{{ v }}</script>",
        "<SCRIPT type='a'>var x = '{{ v }}';</script >",
        "<p><xmp>{{ v }}</xmp>",
        "<p><noframes>{{ v }}</noframes>",
        '<a onclick="f({{ v }})">',
        "<a ONCLICK='{{ v }}'>",
        '<iframe srcdoc="{{ v }}">',
        '<meta http-equiv="refresh" content="0;url={{ v }}">',
        '<base href="{{ v }}">',
        "<{{ v }}>",
        "</{{ v }}>",
        "<a {{ v }}>",
        "<a{{ v }}>",
        '<a {{ v }}="x">',
        "<{% if v %}script{% endif %}>",
        "<{% assign x = 1 %}script>{{ v }}</script>",
        '<a {% if v %}href{% else %}title{% endif %}="{{ v }}">',
        "<!doctype {{ v }}>",
        "{% if v %}<a href=\"{% else %}<a href='{% endif %}{{ v }}",
        '{% for i in (1..2) %}<a href="{% endfor %}',
        '{% for i in (1..2) %}<a href="{% break %}">{% endfor %}{{ v }}',
        '{% capture x %}<a href="{% endcapture %}',
    ],
)
def test_an_output_where_no_escaping_could_make_it_safe_is_refused(source):
    assert refusal(source) == "unsafe_output"


@pytest.mark.parametrize(
    "source",
    [
        '<td {% if v %}class="a"{% endif %}>{{ v }}</td>',
        "<option value='{{ v }}'{% if v %} selected{% endif %}>{{ v }}</option>",
        '<td class="{% if v %}a{% else %}b{% endif %} {{ v }}">',
        "<script>var x = 1 < 2;</script><p>{{ v }}</p>",
        "<!-- it's <a --><p title='{{ v }}'>",
        "<!--[if mso]><table><tr><td><![endif]--><p>{{ v }}</p><!--[if mso]></td></tr></table><![endif]-->",
        "<p>1 < {{ v }} and 2 > 1</p>",
        '<div style="color: {{ v }}; width: 50%">',
        "{% case v %}{% when 'x' %}<b>{{ v }}</b>{% else %}{{ v }}{% endcase %}",
        '<br/><img alt="" src="https://a.b/{{ v }}.png" width=50 />{{ v }}',
    ],
)
def test_ordinary_html_is_accepted(source):
    assert "ok" in html(source, v="ok")


def test_a_style_takes_a_colour_but_not_a_declaration():
    source = '<p style="color: {{ c }}">'
    assert html(source, c="#ff0000") == '<p style="color: #ff0000">'
    assert html(source, c="red;background:url(//evil)") == '<p style="color: ">'
