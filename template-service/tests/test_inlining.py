"""CSS is inlined when a version is saved: rules that are copied into style attributes, rules that stay, unchanged text."""

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import html5lib
import pytest

from template_service.authoring.inlining import inline

TEMPLATES = "/api/v1/templates"
STYLE_ATTRIBUTE = re.compile(r"""\s*\bstyle=("[^"]*"|'[^']*')""")
MAIL = """<!DOCTYPE html>
<html xmlns:v="urn:schemas-microsoft-com:vml"><head><style>
h1 { font-size: 30px; color: {{ brand }}; font-family: "Segoe UI", Arial }
.row td { padding: 4px; mso-line-height-rule: exactly }
.big { width: 600px; background: #fff; background: linear-gradient(#fff, #eee) }
.strong { color: red !important }
a:hover { color: green }
tr:nth-child(2n) { background: #eee }
@media (max-width: 600px) { h1 { font-size: 20px } .big { width: 100% !important } }
</style><!--[if mso]><style>td { padding: 0 }</style><![endif]--></head>
<body class="big">
<!--[if mso]><v:rect fill="t"><![endif]--><h1 id=top>Hi {{ name | append: "<br>" }} &copy;</h1><![if !mso]>
<TABLE class=row>{% for item in items %}<tr><td {% if item.new %}class="new"{% endif %} style='padding:1px'>{{ item.name }}
<td>{{ item.price }}{% endfor %}</table><![endif]>
<p class="strong" style="color: {{ ink }}; margin: 0">{% comment %}<p>{% endcomment %}{% raw %}{{ }}{% endraw %}</body></html>
"""


def shape(html: str) -> list[object]:
    """The elements, attributes but `style`, and texts, as the reference parser of HTML 5 reads them."""
    tree = html5lib.parse(html, treebuilder="etree", namespaceHTMLElements=False)
    return [
        (str(node.tag), {k: v for k, v in node.attrib.items() if k != "style"}, node.text, node.tail)
        for node in tree.iter()
    ]


def styled(rules: str, body: str, start: str = "<") -> str:
    """The body, with the rules inlined."""
    return inline(f"<style>{rules}</style>{body}").html.partition("</style>")[2]


def test_only_style_attributes_change() -> None:
    done = inline(MAIL).html
    assert done != MAIL
    assert STYLE_ATTRIBUTE.sub("", done) == STYLE_ATTRIBUTE.sub("", MAIL)
    assert shape(done) == shape(MAIL)


@pytest.mark.parametrize(
    "html", ["<p>Hi {{ name }}</p>", "<P style=color:red>x", "a < b", "", "<p>{% if a %}<b>{% endif %}"]
)
def test_html_without_a_style_sheet_stays_as_it_is(html) -> None:
    assert inline(html).html is html


@pytest.mark.parametrize(
    ("rules", "body", "inlined"),
    [
        ("p { color: red }", "<p>x", '<p style="color: red">x'),
        ("p { color: red } .a { color: blue }", "<p class=a>x", '<p style="color: blue" class=a>x'),
        ("#i { color: red } p.a { color: blue }", "<p id=i class=a>", '<p style="color: red" id=i class=a>'),
        # As in the cascade: a later `font` sets the size again.
        ("p { font-size: 9px } p { font: 12px a }", "<p>", '<p style="font-size: 9px; font: 12px a">'),
        ("p { color: red; margin: 0 }", "<p style='color:blue;'>", "<p style='margin: 0; color:blue;'>"),
        ("p { color: red !important }", '<p style="color:blue">', '<p style="color:blue; color: red">'),
        ("p { margin: 0 }", """<p style='font-family:"A"'>""", """<p style='margin: 0; font-family:"A"'>"""),
        ("p { a: b!important }", '<p style="c:&quot;d&quot;">', '<p style="c:&quot;d&quot;; a: b">'),
        ("p { a: b!important }", "<p style=c:d>", '<p style="c:d; a: b">'),
        ('p { font-family: "A" }', "<p>", '<p style="font-family: &quot;A&quot;">'),
        ("p { color: {{ c }} }", "<p>", '<p style="color: {{ c }}">'),
        ("a { b: 0 }", "<a style='{% if a %}b:1{% endif %}'>", "<a style='b: 0; {% if a %}b:1{% endif %}'>"),
        ("p { width: 1px; width: calc(1px) }", "<p>", '<p style="width: 1px; width: calc(1px)">'),
    ],
)  # fmt: skip
def test_an_element_gets_what_the_cascade_gives_it(rules, body, inlined) -> None:
    assert styled(rules, body) == inlined


@pytest.mark.parametrize(
    "rules",
    [
        "p { color: red } @media (max-width: 9px) { p { color: blue } }",
        "p { color: red } p:hover { color: blue }",
        "p { color: red } @media x { p { color: blue } } @media y { p { color: green } }",
        "p { border: 0 } @supports (a: b) { p { border-left: 1px } }",
        "{% if dark %} p { color: red } {% endif %}",
        "p::before { color: red }",
    ],
)
def test_what_applies_only_sometimes_is_not_overridden(rules) -> None:
    """A style attribute would override these rules in clients that read style sheets."""
    assert styled(rules, "<p>x") == "<p>x"


def test_what_applies_only_sometimes_with_important_overrides_by_itself() -> None:
    rules = "p { color: red } @media x { p { color: blue !important; width: 9px } }"
    assert styled(rules, "<p>x") == '<p style="color: red">x'


def test_style_sheets_that_do_not_always_apply_are_not_inlined() -> None:
    for style in (
        '<style media="print">p { color: red }</style>',
        "{% if dark %}<style>p { color: red }</style>{% endif %}",
        "<!--[if mso]><style>p { color: red }</style><![endif]-->",
    ):
        assert inline(f"{style}<p>x").html == f"{style}<p>x"
    mso = "<!--[if mso]><style>p { color: red }</style><![endif]-->"
    assert styled("p { color: blue }", f"{mso}<p>x") == f"{mso}<p>x"


def test_rows_of_a_loop_are_not_counted() -> None:
    rows = "{% for a in b %}<tr><td>x{% endfor %}"
    assert styled("tr:first-child { color: red }", f"<table>{rows}</table>") == f"<table>{rows}</table>"
    assert 'style="color: red"' in styled("tr:first-child { color: red }", "<table><tr><td>x</table>")


def test_warnings_name_what_is_left_out() -> None:
    warnings = inline(
        "<link rel=stylesheet href=mail.css><style>p, h1 { color: red } @media x { h1 { color: blue } }</style><h1>a</h1>\n"
        '<p {% if a %}class="b"{% endif %}>'
    ).warnings
    assert len(warnings) == 3
    for name, warning in zip(("mail.css", "line 2 (the attributes of <p>)", "color of 'h1'"), warnings, strict=True):
        assert name in warning


@pytest.mark.parametrize(
    "hostile",
    [
        "<style>p{color:red}</style>" + "<b>" * 60_000,
        "<style>" + "p{color:red}" * 400 + "@media x{p{color:a}}" * 400 + "</style>" + "<p>" * 1_000,
        "<style>p{" + "".join(f"a-{n}:b;" for n in range(4_000)) + "}</style>" + "<p>" * 1_000,
        "<style>p{a:" + "(" * 100_000 + "}</style><p>",
        "<style>p{a:b}</style>" + "<!--[if " * 20_000,
    ],
    ids=["nesting", "pairs", "declarations", "parentheses", "comments"],
)
def test_a_style_sheet_that_takes_too_long_is_sent_as_it_is(hostile) -> None:
    """The compiler overflows its stack on some of them; the service goes on."""
    done = inline(hostile)
    assert done.html == hostile


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The address of a web server, and the paths that it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()
        thread.join()


def test_no_address_is_asked(asked) -> None:
    address, paths = asked
    links = (
        f'<link rel="stylesheet" href="{address}/a.css"><style>@import url({address}/b.css); p {{ margin: 0 }}</style>'
    )
    assert 'style="margin: 0"' in inline(f"{links}<p>x").html
    assert paths == []


async def test_the_source_is_answered_as_written_and_the_compiled_form_is_rendered(admin, service) -> None:
    body = {"code": "styled", "name": "Styled", "content": "<style>p { color: red }</style><p>Hi {{ name }}</p>"}
    created = (await admin.post(TEMPLATES, json=body)).json()["data"]
    assert (created["content"], created["inline_css"], created["warnings"]) == (body["content"], True, [])
    sent = (await service.get("/internal/templates/styled")).json()["data"]
    assert sent["html"] == '<style>p { color: red }</style><p style="color: red">Hi {{ name }}</p>'
    shown = await admin.post(f"{TEMPLATES}/styled/render", json={"variables": {"name": "Ada"}})
    assert '<p style="color: red">Hi Ada</p>' in shown.json()["data"]["email"]["html"]
    again = (await admin.put(f"{TEMPLATES}/styled", json={"content": body["content"]})).json()["data"]
    assert again["version"] == 1  # nothing has changed


async def test_an_author_may_turn_it_off(admin, service) -> None:
    body = {
        "code": "styled",
        "name": "Styled",
        "content": "<style>p { color: red }</style><p>x</p>",
        "inline_css": False,
    }
    await admin.post(TEMPLATES, json=body)
    assert (await service.get("/internal/templates/styled")).json()["data"]["html"] == body["content"]
    changed = (await admin.patch(f"{TEMPLATES}/styled", json={"subject": "New"})).json()["data"]
    assert (changed["version"], changed["inline_css"]) == (2, False)
    changed = (await admin.patch(f"{TEMPLATES}/styled", json={"inline_css": True})).json()["data"]
    assert (changed["version"], changed["content"]) == (3, body["content"])
    assert "style=" in (await service.get("/internal/templates/styled")).json()["data"]["html"]


async def test_outputs_that_would_be_too_many_in_style_attributes_stay_in_the_style_sheet(admin, service) -> None:
    content = "<style>p { color: {{ c }} }</style>" + "<p>x" * 2_100
    created = await admin.post(TEMPLATES, json={"code": "many", "name": "Many", "content": content})
    assert "not inlined" in created.json()["data"]["warnings"][0]
    assert (await service.get("/internal/templates/many")).json()["data"]["html"] == content


async def test_warnings_are_answered_when_a_template_is_saved_read_and_previewed(admin) -> None:
    content = "<style>p { color: red } p:hover { color: blue }</style><p>x</p>"
    created = (await admin.post(TEMPLATES, json={"code": "styled", "name": "S", "content": content})).json()["data"]
    assert "color of 'p'" in created["warnings"][0]
    assert (await admin.get(f"{TEMPLATES}/styled")).json()["data"]["warnings"] == created["warnings"]
    for path, body in ((f"{TEMPLATES}/styled/render", {}), (f"{TEMPLATES}/render", {"content": content})):
        assert (await admin.post(path, json=body)).json()["data"]["warnings"] == created["warnings"]
