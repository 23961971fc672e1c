"""What a value may be in CSS and in a script: what it is for, and nothing that does more."""

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templating import TemplateError, TemplateSource, compile_template


def html(source: str, **variables: object) -> str:
    return compile_template(TemplateSource(html=source, text="x")).render_email(variables).html


class Styles(HTMLParser):
    """Collects the style attributes as a browser reads them."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.styles: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.styles += [value or "" for name, value in attrs if name == "style"]


def style(source: str, value: object) -> str:
    (only,) = Styles(html(f'<p style="{source}">', v=value)).styles
    return only


SAFE = [
    *("red", "#ff0000", "#F00", "rgb(1,2,3)", "rgb(1, 2, 3)", "rgba(1, 2, 3, .5)", "rgb(1 2 3 / 50%)", "hsl(120, 50%, 50%)"),
    *("hsla(120deg 50% 50% / 0.5)", "12px", "1.5em", "-3", "50%", "0", "12px/1.5 Arial, sans-serif", "1px solid #ccc"),
    *("'Open Sans', Arial", '"Open Sans"', "calc(100% - 10px)", "linear-gradient(90deg, #fff, rgb(0, 0, 0) 50%)"),
    *("url(https://a.b/c.png?d=1&e=2)", "url('https://a.b/c.png')", "inherit", "bold", "0 auto"),
]  # fmt: skip
UNSAFE = [
    *("red;background:url(//evil)", "red}", "expression(alert(1))", "url(javascript:alert(1))", "url('javascript:x')"),
    *("url(data:text/html,x)", "@import 'x'", "red/*", "*/red", "\\65 xpression(1)", "re\\64", "<b>", "a\"b", "'a", "url(x"),
    *("url(https://a.b/)c)", "behavior(url(x))", "-moz-binding:url(x)", "rgb(1,2,3",
    "calc(1px /* 2)", "rgb(expression(1))", "a:b", "a{b"),
    *("image(x)", "var(--x)", "attr(x)", "element(#x)", "linear-gradient(url(x))", "red\u2028x", "r\u0435d", "x" * 501),
]  # fmt: skip


@pytest.mark.parametrize("value", SAFE)
def test_a_safe_value_survives_in_a_style(value):
    assert style("color:{{ v }}", value) == f"color:{value}"


@pytest.mark.parametrize("value", UNSAFE)
def test_an_unsafe_value_leaves_nothing_in_a_style(value):
    assert style("a:{{ v }};b:c", value) == "a:;b:c"


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        ("background:url('{{ v }}')", "https://a.b/c?d=1&e=2", "background:url('https://a.b/c?d=1&e=2')"),
        ("background:url({{ v }})", "https://a.b/c d(1)'\"\\", "background:url(https://a.b/c%20d%281%29%27%22%5C)"),
        ("background:url(&quot;{{ v }}&quot;)", "https://a.b/", 'background:url("https://a.b/")'),
        ("background:url( '{{ v }}' )", "/a.png", "background:url( '/a.png' )"),
        ("background:url('{{ v }}')", "javascript:alert(1)", "background:url('#')"),
        ("background:url('{{ v }}')", "data:text/html,x", "background:url('#')"),
        ("background:url('{{ v }}')", " java\tscript:x", "background:url('#')"),
        (
            "background:url('https://cdn/{{ v }}.png')",
            "a');x:url('",
            "background:url('https://cdn/a%27%29;x:url%28%27.png')",
        ),
        (
            "background:url('https://cdn/{{ v }}/{{ v }}')",
            "javascript:",
            "background:url('https://cdn/javascript:/javascript:')",
        ),
        ("font-family:'{{ v }}'", "Open Sans", "font-family:'Open Sans'"),
        ("font-family:'{{ v }}'", "x';color:red", "font-family:''"),
        ("content:'\\'{{ v }}'", "(", "content:'\\''"),
        ("/* {{ v }} */color:red", "*/x:y", "/*  */color:red"),
        ("background:url('x') {{ v }}", "red", "background:url('x') red"),
        ("font:'a' {{ v }}", "12px", "font:'a' 12px"),
        ("{% if v %}color:{{ v }};{% endif %}width:{{ v }}", "1px", "color:1px;width:1px"),
        (
            "background:url({% if v %}https://a.b/{% else %}https://c.d/{% endif %}{{ v }})",
            "x",
            "background:url(https://a.b/x)",
        ),
        ("color:{{ v }}", True, "color:true"),
        ("width:{{ v }}px", 12.5, "width:12.5px"),
        ("color:{{ v | append: '' }}", "#fff", "color:#fff"),
        ("color:{{ '#fff' }}", "", "color:#fff"),
    ],
)
def test_a_value_is_written_for_its_context_in_the_style(source, value, expected):
    assert style(source, value) == expected


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("background:url('javascript:{{ v }}')", "unsafe_url"),
        ("background:url({{ v }}:{{ v }})", "unsafe_url"),
        ("background:{% if v %}url({% endif %}{{ v }})", "unsafe_output"),
        ("a:{% for i in l %}'{% endfor %}{{ v }}", "unsafe_output"),
    ],
)
def test_a_style_in_which_no_value_could_be_safe_is_refused(source, code):
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(html=f'<p style="{source}">'))
    assert refused.value.code == code


css_pieces = st.sampled_from(
    [
        *";:{}()<>'\"\\/*,&#@ .-",
        "url(",
        "rgb(",
        "expression(",
        "/*",
        "*/",
        "javascript:",
        "https://a/",
        "red",
        "1px",
        "\n",
    ]
)


NO_CODE = re.compile(r"/\*.*?\*/|url\('[^'\\]*'\)|url\(\"[^\"\\]*\"\)|url\([^'\"()\\]*\)|'[^'\\]*'|\"[^\"\\]*\"")


@given(st.lists(css_pieces, max_size=8).map("".join))
def test_no_value_leaves_its_declaration(value):
    for source in ("a:{{ v }};z:z", "a:url({{ v }});z:z", "a:url('{{ v }}');z:z", "a:'{{ v }}';z:z", "/*{{ v }}*/;z:z"):
        written = style(source, value)
        assert not re.search(r"url\(['\"]?javascript:", written)
        bare = NO_CODE.sub("", written)
        assert "expression(" not in bare, written
        assert bare.count(";") == 1, written
        assert bare.count(":") == (2 if source[0] == "a" else 1), written
        assert not set(bare) & set("{}<>@\\'\""), written


@pytest.mark.parametrize("value", ["red", "#ff0000", "rgb(1, 2, 3)", "12px", "1.5", 50, "50%", " RebeccaPurple "])
def test_a_colour_or_number_survives_in_a_style_sheet(value):
    sheet = "<style>p { color: {{ v }}; } .a { width: {{ v }} }</style>"
    assert html(sheet, v=value) == sheet.replace("{{ v }}", str(value).strip())


@pytest.mark.parametrize(
    "value", [*UNSAFE, "Arial", "12px 3px", "url(https://a.b/c)", "</style><script>", "red blue", None, []]
)
def test_anything_else_leaves_nothing_in_a_style_sheet(value):
    source = "{% if v %}{% endif %}<style>p{color:{{ v }}}</style>"
    assert html(source, v=value) == "<style>p{color:}</style>"


EVIL = "</script><!-- ]]> \"'`${alert(1)} // /* \\ \u2028 &lt;"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<script type="application/ld+json">{"name": ', "}</script>"),
        ("<script>var a = 'x', b = /* it's */ `y`; // don't\nvar v = ", ";</script>"),
        ("<script>f(", ")</script>"),
        ("<SCRIPT>x = [", "]</SCRIPT >"),
    ],
)
def test_json_in_a_script_is_one_value(before, after):
    value = {"a": [EVIL, 1, None, True, 1.5], EVIL: {}}
    rendered = html(f"{before}{{{{ v | json }}}}{after}", v=value)
    written = rendered.removeprefix(before).removesuffix(after)
    assert json.loads(written) == value
    assert not set(written) & set("<>&'`$\u2028\u2029")


@pytest.mark.parametrize(
    "source",
    [
        "<script>{{ v }}</script>",
        "<script>{{ v | json | append: '' }}</script>",
        "<script>{{ v | upcase }}</script>",
        "<script>'{{ v | json }}'</script>",
        '<script>"{{ v | json }}"</script>',
        "<script>`{{ v | json }}`</script>",
        "<script>// {{ v | json }}</script>",
        "<script>/* {{ v | json }} */</script>",
        '<script>var r = /"/; x = {{ v | json }}</script>',
        "<script>x = 1 / 2; y = {{ v | json }}</script>",
        "<script>{% if v %}'{% endif %}{{ v | json }}</script>",
        "<script>{% for i in l %}'{% endfor %}{{ v | json }}</script>",
        "<script>x = '\\'{{ v | json }}'</script>",
        "<script>{% cycle v, v %}</script>",
        "<script>{% increment n %}</script>",
        "<a onclick='f({{ v | json }})'>",
    ],
)
def test_where_json_could_be_more_than_a_value_it_is_refused(source):
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(html=source))
    assert refused.value.code == "unsafe_output"


def test_json_elsewhere_is_text():
    assert html("<p title='{{ v | json }}'>{{ v | json }}</p>", v=["<'\">"]) == (
        "<p title='[&#34;\\u003c&#39;\\&#34;\\u003e&#34;]'>[&#34;\\u003c&#39;\\&#34;\\u003e&#34;]</p>"
    )
