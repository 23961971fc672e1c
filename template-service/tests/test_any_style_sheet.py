"""Whatever HTML, Liquid and CSS an author combines, inlining changes style attributes only."""

import re

import html5lib
from hypothesis import given, settings
from hypothesis import strategies as st

from template_service.authoring.inlining import inline
from templating import TemplateError

STYLE_ATTRIBUTE = re.compile(r"""\s*\bstyle=("[^"]*"|'[^']*')""", re.IGNORECASE)
RULES = (
    *("p { color: red }", ".a { margin: 0 !important }", "td, th { padding: 1px }", "div > p { font: 12px 'A' }"),
    *("@media (max-width: 9px) { p { color: blue } }", "a:hover { color: red }", "tr:first-child td { border: 0 }"),
    *("* { top: 0 }", "p { color: {{ c }} }", "{% if a %} p { left: 0 } {% endif %}", '[href="x y"] { width: 1px }'),
    *(
        "@font-face { font-family: x }",
        "p { broken",
        "}",
        "/* c */",
        "@import url(x.css);",
        "#i.a:not(.b) { z-index: 1 }",
    ),
)
PIECES = (
    *("<p>", "</p>", "<p class=a>", "<P ID='i' STYLE='color:blue'>", '<p style="top:{{ v }};">', "<div>", "</div>"),
    *("<table>", "<tr>", "<td>", "<td class='{{ v }}'>", "</td>", "</tr>", "</table>", "<b><i></b>", "</i>", "<br/>"),
    *(
        "{% for x in y %}",
        "{% endfor %}",
        "{% if a > 1 %}",
        "{% else %}",
        "{% endif %}",
        "{{ v | append: '<br>' }}",
        "text",
    ),
    *(
        "<!--[if mso]>",
        "<![endif]-->",
        "<!--[if !mso]><!-->",
        "<!--<![endif]-->",
        "<![if !mso]>",
        "<!-- c -->",
        "&nbsp;é",
    ),
    *(
        '<a href="x y" {% if a %}hidden{% endif %}>',
        "</a>",
        "<img src='{{ v }}' alt='>'>",
        "<style>p { top: 1px }</style>",
    ),
    *(
        "<v:rect fill='t'>",
        "</v:rect>",
        "<svg viewBox='0 0 1 1'/>",
        "{% raw %}{{ <p> }}{% endraw %}",
        "<link rel=stylesheet>",
    ),
)


@settings(max_examples=60, deadline=None)
@given(rules=st.lists(st.sampled_from(RULES), max_size=6), pieces=st.lists(st.sampled_from(PIECES), max_size=25))
def test_only_style_attributes_change(rules, pieces) -> None:
    html = f"<!DOCTYPE html><head><style>{' '.join(rules)}</style></head><body>{''.join(pieces)}</body>"
    try:
        done = inline(html).html
    except TemplateError:  # could not be saved anyway
        return
    assert STYLE_ATTRIBUTE.sub("", done) == STYLE_ATTRIBUTE.sub("", html)
    assert shape(done) == shape(html)


def shape(html: str) -> list[object]:
    tree = html5lib.parse(html, treebuilder="etree", namespaceHTMLElements=False)
    return [
        (str(node.tag), {k: v for k, v in node.attrib.items() if k != "style"}, node.text, node.tail)
        for node in tree.iter()
    ]
