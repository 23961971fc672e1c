"""In an HTML part the template's own markup stays markup, also as a filter's argument; values are escaped in it."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from liquid.exceptions import LiquidError

from templating import TemplateError, TemplateSource, compile_template
from templating.filters import FILTERS
from templating.markup_text import MarkupText, concat, cut, literal_text, plain

EVIL = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """Collects the tags that a browser would see."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))


def html(source: str, **variables: object) -> str:
    """With a tag before it: what holds none is plain text."""
    return compile_template(TemplateSource(html=f"<wbr>{source}", text="x")).render_email(variables).html[5:]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ a | append: '<br>' }}", "&lt;i&gt;<br>"),
        ("{{ a | prepend: '<br>' }}", "<br>&lt;i&gt;"),
        ("{{ '<b>' | append: '</b>' }}", "<b></b>"),
        ("{{ '<b>x</b>' | append: a }}", "<b>x</b>&lt;i&gt;"),
        ("{{ list | join: '<br>' }}", "&lt;i&gt;<br>2<br>true"),
        ("{{ lines | newline_to_br }}", "&lt;i&gt;<br />\nx"),
        ("{{ lines | newline_to_br | append: a }}", "&lt;i&gt;<br />\nx&lt;i&gt;"),
        ("{{ csv | replace: ',', '<br>' }}", "&lt;i&gt;<br>2"),
        ("{{ csv | replace_first: ',', '<br>' }}", "&lt;i&gt;<br>2"),
        ("{{ csv | replace_last: ',', '<br>' }}", "&lt;i&gt;<br>2"),
        ("{{ a | replace: '<', '<hr>' }}", "<hr>i&gt;"),
        ("{{ none | default: '<b>x</b>' }}", "<b>x</b>"),
        ("{% assign x = '<br>' %}{{ a | append: x }}", "&lt;i&gt;<br>"),
        ("{% capture x %}<b>{{ a }}</b>{% endcapture %}{{ x }}", "<b>&lt;i&gt;</b>"),
        ("{% capture x %}<b>{{ a }}</b>{% endcapture %}{{ x | upcase }}", "<B>&lt;I&gt;</B>"),
        ("{% capture x %}<b>{{ a }}</b>{% endcapture %}{{ x | strip_html }}", ""),
        ("{% capture x %}<b>{{ b }} &amp; co</b>{% endcapture %}{{ x | strip_html }}", "T&amp;J &amp; co"),
        ("{% capture x %}<b>{{ a }}</b>{% endcapture %}{{ x | escape }}", "&lt;b&gt;&lt;i&gt;&lt;/b&gt;"),
        ("{% capture x %}<b>{{ a }}</b>{% endcapture %}{{ x | size }}", "10"),
        ("{% capture x %}{{ a }}{% endcapture %}{% if x == a %}same{% endif %}", "same"),
        ("{% cycle '<br>', a %}{% cycle '<br>', a %}{% cycle '<br>', a %}", "<br><br><br>"),
        ("{% for i in (1..2) %}{% cycle '<br>', a %}{% endfor %}", "<br>&lt;i&gt;"),
        ("{% echo '<br>' %}{% echo a %}", "<br>&lt;i&gt;"),
        ("{{ '<br>' }}{{ 'a & b' }}", "<br>a & b"),
        ("{{ a | escape }}{{ '<br>' | escape }}", "&lt;i&gt;&lt;br&gt;"),
        ("{{ '&lt;i&gt; <b>' | escape_once }}", "&lt;i&gt; &lt;b&gt;"),
        ("{{ lines | newline_to_br | split: '<br />' | size }}", "2"),
        ("{{ a | split: '' | join: '<br>' }}", "&lt;<br>i<br>&gt;"),
        # Incomplete markup is no markup: the context of a value between such pieces is not known.
        ("{{ '<a href=' | append: a }}", "&lt;a href=&lt;i&gt;"),
        ("{{ '<' | append: a }}", "&lt;&lt;i&gt;"),
        ("{{ '<br>' | slice: 0, 2 | append: a }}", "&lt;b&lt;i&gt;"),
        ("{{ '<br>' | remove: '>' | append: a }}", "&lt;br&lt;i&gt;"),
        ("{{ lines | newline_to_br | truncate: 9 }}", "&lt;i&gt;&lt;br..."),
        ("{{ lines | newline_to_br | truncatewords: 1 }}", "&lt;i&gt;&lt;br..."),
        ("{{ '<script>' | append: a }}", "&lt;script&gt;&lt;i&gt;"),
        # Outside of text there is no markup.
        ("<p title='{{ a | append: '<br>' }}'>", "<p title='&lt;i&gt;&lt;br&gt;'>"),
        ("<p title=\"{{ 'say &quot;x&quot; & y' }}\">", '<p title="say &quot;x&quot; &amp; y">'),
        ("<title>{{ '<br>' }}</title>", "<title>&lt;br&gt;</title>"),
        ("<!-- {{ '<br>' }} -->", "<!-- &lt;br&gt; -->"),
        (
            "{% capture u %}https://x/?a=1&amp;b=2{% endcapture %}<a href='{{ u }}'>",
            "<a href='https://x/?a=1&amp;b=2'>",
        ),
        ("{% assign u = 'https://x/?a=1&b=2' %}<a href='{{ u }}'>", "<a href='https://x/?a=1&amp;b=2'>"),
        ("{% assign u = 'javascript&colon;x' %}<a href='{{ u }}'>", "<a href='#'>"),
    ],
)
def test_whose_markup_it_is(source, expected):
    variables = {"a": "<i>", "b": "T&J", "list": ["<i>", 2, True], "lines": "<i>\nx", "csv": "<i>,2"}
    assert html(source, **variables) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ v | escape | replace: '&lt;', '<' | replace: '&gt;', '>' }}",
        "{{ v | replace: '&lt;', '<' }}",
        "{{ v | url_encode | url_decode }}",
        "{{ coded | url_decode }}",
        "{{ base64 | base64_decode }}",
        "{{ base64 | base64_url_safe_decode }}",
        "{{ v | base64_encode | base64_decode }}",
        "{{ v | json }}",
        "{{ v | escape_once }}",
        "{{ v | strip_html | append: v }}",
        "{{ v | split: '' | join: '' }}",
        "{{ v | slice: 0, 99 }}",
        "{{ list | uniq | sort | join: '' }}",
        "{{ list }}",
        "{{ hash }}",
        "{{ hash | append: '<br>' }}",
        "{% capture c %}{{ v }}{% endcapture %}{{ c | replace: '&lt;', '<' }}",
        "{% capture c %}{{ v | append: '<br>' }}{% endcapture %}{{ c | newline_to_br | downcase }}",
        "{% cycle v, v %}",
        "{% tablerow i in list %}{{ i }}{% endtablerow %}",
        "{% ifchanged %}{{ v }}{% endifchanged %}",
        "{% liquid\nassign w = v\necho w\n%}",
    ],
)
def test_no_filter_and_no_tag_gets_around_escaping(source):
    variables = {"v": EVIL, "coded": "%3Cscript%3E", "base64": "PHNjcmlwdD4=", "list": [EVIL], "hash": {EVIL: EVIL}}
    assert "<script" not in html(source, **variables)


pieces = st.sampled_from(["<", ">", "<b>", "</b>", "&", "&lt;", "'", '"', "x", "on=1 ", "/", "\n", "\ufdd0"])
texts = st.lists(pieces, max_size=6).map("".join)
CALLS = [
    *("upcase", "downcase", "capitalize", "strip", "lstrip", "rstrip", "squish", "strip_newlines", "newline_to_br"),
    *("strip_html", "escape", "escape_once", "url_encode", "json", "size", "first", "last", "reverse", "uniq", "sort"),
    *("truncate: 4", "truncatewords: 1", "slice: 1, 3", "slice: -3, 2", "split: ''", "split: 'x'", "split: '<'"),
    *("append: v", "prepend: v", "append: '<hr>'", "join: v", "join: '<hr>'", "remove: '<'", "remove_first: '>'"),
    *("remove_last: 'b'", "replace: 'x', v", "replace: v, '<hr>'", "replace: '<', v", "replace_first: 'b', v"),
    *("replace_last: '>', '<hr>'", "default: v", "compact", "concat: list", "map: 'x'", "where: 'x'"),
]


@given(texts, st.lists(st.sampled_from(CALLS), min_size=1, max_size=5), st.sampled_from(["v", "m", "c", "'<b>x</b>'"]))
def test_however_filters_are_chained_no_value_becomes_a_tag(value, calls, start):
    source = (
        "{% assign m = v | append: '<hr>' %}{% capture c %}<i>{{ v }}</i>{% endcapture %}"
        f"<p>{{{{ {' | '.join([start, *calls])} }}}}</p>"
    )
    try:
        rendered = html(source, v=value, list=[value, 1])
    except TemplateError:
        return  # the chain makes no sense for these values
    tags = Tags(rendered).tags
    assert {tag for tag, _ in tags} <= {"p", "hr", "br", "b", "i"}
    assert not any(attributes for _, attributes in tags)


@given(texts, texts)
def test_cutting_and_joining_again_changes_nothing(text, separator):
    for subject in (text, literal_text(text)):
        assert plain(concat(cut(subject, separator), separator)) == plain(subject).replace(separator, separator)


def test_the_filters_that_make_markup_are_known():
    made = {name for name, apply in FILTERS.items() if _makes_markup(apply)}
    assert made == {"escape", "escape_once", "h", "newline_to_br"}


def _makes_markup(apply) -> bool:
    try:
        return isinstance(apply("a\nb"), MarkupText)
    except (TypeError, LiquidError):
        return False
