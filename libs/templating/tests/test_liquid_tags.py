"""Liquid's tags, as its reference has them. Each line: template, and what comes out for VARIABLES."""

import pytest

from templating import TemplateError, TemplateSource, compile_template

VARIABLES: dict[str, object] = {
    "list": ["a", "b", "c", "d"],
    "hash": {"x": 1, "y": 2},
    "word": "xyz",
    "two": 2,
    "none": None,
    "a": "A",
    "groups": [{"g": 1, "n": "a"}, {"g": 1, "n": "b"}, {"g": 2, "n": "c"}],
}


def text(source: str, variables: dict[str, object] = VARIABLES) -> str:
    """What the part alone prints: of what is missing, others ask."""
    return compile_template(TemplateSource(text=source)).parts["text"].render(variables)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% raw %}{{ a }} {% if %} {{{ {% endraw %}{{ a }}", "{{ a }} {% if %} {{{ A"),
        ("x {%- raw -%} y {%- endraw -%} z", "x y z"),
        ("{% comment %}{{ a {% nosuch %} {% if %}{% endcomment %}x", "x"),
        ("{% comment %}{% comment %}{% endcomment %}{{ a }}{% endcomment %}x", "x"),
        ("{% comment %}{% raw %}{% endcomment %}{% endraw %}{% endcomment %}x", "x"),
        ("{% doc %}{{ a }} @param{% enddoc %}x", "x"),
        ("{% # a comment %}{% #another\n # line %}x", "x"),
        ("{% echo a | downcase %}{% echo 'x' %}", "ax"),
        ("{% liquid\n  assign x = a\n  if x == 'A'\n    echo x | append: '!'\n  endif\n  # no\n  echo two\n%}", "A!2"),
        ("{%- liquid\n for i in list\n  echo i\n endfor -%} x", "abcdx"),
        ("{% for i in (1..5) %}{% cycle 'a', 'b' %}{% endfor %}", "ababa"),
        ("{% for i in (1..2) %}{% cycle 'g': 1, 2 %}{% cycle 'h': 1, 2 %}{% cycle 'g': 1, 2 %}{% endfor %}", "112122"),
        ("{% for i in (1..2) %}{% cycle 1, 2 %}{% cycle 1, 2 %}{% endfor %}", "1212"),
        ("{% for i in (1..2) %}{% cycle a, 'x' %}{% cycle a, 'x' %}{% endfor %}", "AAxx"),
        ("{% cycle two: true, none %}{% cycle two: true, none %}{% cycle two: true, none %}", "truetrue"),
        (
            "{% increment n %}{% increment n %}{{ n }} {% decrement m %}{% decrement m %}{{ m }} {% decrement n %}",
            "012 -1-2-2 1",
        ),
        ("{% assign n = 9 %}{% increment n %}{{ n }}", "09"),
        ("{% for i in groups %}{% ifchanged %}[{{ i.g }}]{% endifchanged %}{{ i.n }}{% endfor %}", "[1]ab[2]c"),
        (
            "{% tablerow i in list cols: 2 %}{{ i }}{% if tablerowloop.col_last %}!{% endif %}{% endtablerow %}",
            (
                '<tr class="row1">\n<td class="col1">a</td><td class="col2">b!</td></tr>\n'
                '<tr class="row2"><td class="col1">c</td><td class="col2">d!</td></tr>\n'
            ),
        ),
        (
            "{% tablerow i in list limit: 2 offset: 1 %}{{ i }}{% endtablerow %}",
            '<tr class="row1">\n<td class="col1">b</td><td class="col2">c</td></tr>\n',
        ),
        (
            "{% tablerow i in none %}x{% endtablerow %}{% tablerow i in '' %}x{% endtablerow %}",
            '<tr class="row1">\n</tr>\n',
        ),
        (
            "{% for i in (1..2) %}{% tablerow j in list %}{{ j }}{% break %}{% endtablerow %}!{% endfor %}",
            '<tr class="row1">\n<td class="col1">a</td></tr>\n!' * 2,
        ),
        ("{% case two %}{% when 1 %}one{% when 2, 3 %}few{% else %}many{% endcase %}", "few"),
        ("{% case two %} junk {% when 1 or 2 %}x{% endcase %}", "x"),
        ("{% case a %}{% when 'B' %}{% else %}x{% endcase %}{% case none %}{% when nil %}nil{% endcase %}", "xnil"),
        (
            "{% for i in list limit: 2 %}{{ i }}{% endfor %}-{% for i in list offset: continue %}{{ i }}{% endfor %}",
            "ab-cd",
        ),
        (
            "{% for i in list reversed limit: 2 %}{{ i }}{% endfor %} {% for i in list limit: 0 %}{% else %}-{% endfor %}",
            "ba -",
        ),
        (
            "{% for i in list offset: 9 %}x{% else %}none{% endfor %}{% for i in list limit: none %}{{ i }}{% endfor %}",
            "noneabcd",
        ),
        ("{% for i in hash %}{{ i[0] }}={{ i[1] }},{{ i | join: '-' }} {% endfor %}", "x=1,x-1 y=2,y-2 "),
        ("{% for i in word %}{{ i }}.{% endfor %}{% for i in two %}x{% else %}none{% endfor %}", "xyz.none"),
        ("{% for i in (two..4) %}{{ i }}{% endfor %}{% for i in (4..two) %}x{% else %}none{% endfor %}", "234none"),
        (
            "{% for i in list %}{{ forloop.index }}{{ forloop.rindex0 }}{{ forloop.first }}{{ forloop.last }} {% endfor %}",
            "13truefalse 22falsefalse 31falsefalse 40falsetrue ",
        ),
        (
            "{% for i in (1..2) %}{% for j in (1..2) %}{{ forloop.parentloop.index }}{{ j }} {% endfor %}{% endfor %}",
            "11 12 21 22 ",
        ),
        (
            "{% for i in list %}{% if i == 'b' %}{% continue %}{% elsif i == 'd' %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "ac",
        ),
        ("{% for i in (1..3) %}{% capture x %}{{ i }}{% break %}{% endcapture %}{% endfor %}{{ x }}", "1"),
        ("{% for i in (1..2) %}{% ifchanged %}{{ i }}{% continue %}{% endifchanged %}{% endfor %}", "12"),
        ("{% capture x %}{{ a }}-{{ two }}{% endcapture %}{{ x | size }}{{ x }}", "3A-2"),
        ("{% capture 'x' %}q{% endcapture %}{{ x }}", "q"),
        (
            "{% if a %} {% endif %}|{% for i in list %} {% assign x = i %}{% endfor %}|{% case a %}{% else %} {% endcase %}|",
            "|||",
        ),
        ("{% if a %} {{ none }} {% endif %}|{% if a %}x {% endif %}", "  |x "),
        (" a {%- if a -%} b {%- endif -%} c {{- a -}} d ", " abcAd "),
        ("{% if a -%}\nx\n{%- endif %}\n", "x\n"),
        ("<p>{{ a -}}\n</p>\n", "<p>A</p>\n"),
        (
            "{% if a %}1{% elsif two %}2{% else %}3{% endif %}{% unless a %}1{% elsif two %}2{% else %}3{% endunless %}",
            "12",
        ),
        ("{%if a%}x{%endif%}{{a}}{{- a}}", "xAA"),
        ("{% assign x = list | first %}{% assign y = x | upcase %}{{ y }}", "A"),
    ],
)
def test_tags(source, expected):
    assert text(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{% raw %}{% endif %}",
        "{% comment %}{% comment %}{% endcomment %}",
        "{% comment %}{% raw %}{% endcomment %}",
        "{% cycle %}",
        "{% increment %}",
        "{% increment a.b %}",
        "{% tablerow i in list %}",
        "{% tablerow i list %}{% endtablerow %}",
        "{% ifchanged %}",
        "{% liquid\n  echo a | nosuch\n%}",
        "{% liquid\n  nosuch\n%}",
        "{% liquid\n  for i in list\n%}",
        "{% case a %}{% endif %}",
        "{% capture a.b %}{% endcapture %}",
        "{% assign a.b = 1 %}",
    ],
)
def test_what_is_no_tag_is_refused_on_save(source):
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(text=source))
    assert refused.value.code == "template_syntax"


def test_tags_in_html_print_as_outputs_do():
    html = (
        "<table>{% tablerow i in list cols: 1 %}<b>{{ i }}</b>{% endtablerow %}</table>"
        "<p title='{% cycle v, v %}{% increment n %}'>{% echo v %}{% cycle v %}</p><a href='{% cycle u %}'>x</a>"
        "{% liquid\nassign w = v | append: '<br>'\necho w\n%}{% raw %}<i>{{ v }}</i>{% endraw %}"
    )
    rendered = compile_template(TemplateSource(html=html)).render_email(
        {"list": ["<", 2], "v": "<'>", "u": "javascript:x"}
    )
    assert rendered.html == (
        '<table><tr class="row1">\n<td class="col1"><b>&lt;</b></td></tr>\n'
        '<tr class="row2"><td class="col1"><b>2</b></td></tr>\n</table>'
        "<p title='&lt;&#39;&gt;0'>&lt;&#39;&gt;&lt;&#39;&gt;</p><a href='#'>x</a>"
        "&lt;&#39;&gt;<br><i>{{ v }}</i>"
    )


@pytest.mark.parametrize(
    "source",
    [
        "<p title='{% tablerow i in list %}{% endtablerow %}'>",
        "{% tablerow i in list %}<p title='{% endtablerow %}",
        "<a {% cycle 'href', 'title' %}='x'>",
        "<a href={% cycle v, v %}>",
        "<h{% increment n %}>",
        "<{% echo v %}>",
        "<a onclick='{% echo v %}'>",
        "<a onclick='{% liquid\necho v\n%}'>",
        "{% ifchanged %}<p title='{% endifchanged %}",
    ],
)
def test_tags_that_print_are_refused_where_outputs_are(source):
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(html=source))
    assert refused.value.code == "unsafe_output"
