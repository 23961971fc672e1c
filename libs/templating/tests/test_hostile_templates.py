"""No source can run code, read files, stall a worker or fill its memory. (Abuse case 15.)"""

import contextlib
import time
import tracemalloc

import pytest

from templating import TemplateError, TemplateSource, compile_template
from templating.filters import FILTERS
from templating.liquid_engine import environment
from templating.liquid_marks import TAGS

SECONDS = 3.0  # of CPU, so that busy neighbours count little; each takes under 0.5 on an idle machine
MEGABYTES = 64


def refusal(source: str, **variables: object) -> TemplateError:
    """The error, on compiling or at the latest on rendering, within the time."""
    started = time.process_time()
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(html=source, text="x")).render_email(variables)
    assert time.process_time() - started < SECONDS
    return refused.value


@pytest.mark.parametrize(
    "source",
    [
        "{{''.__class__}}",
        "{{ a.__class__.__mro__ }}",
        "{{ a['__class__'] }}",
        "{{7*7}}",
        "{{ 'a'*1000000000 }}",
        "{{ a() }}",
        "{{ a | nosuchfilter }}",
        "{{ a | safe }}",
        "{{ a | escapejs }}",
        "{{ }}",
        "{% include 'a' %}",
        "{% render 'a' %}",
        "{% extends 'a' %}",
        "{% block a %}{% endblock %}",
        "{% import os %}",
        "{%- include 'a' -%}",
        "{% liquid include 'a' %}",
        "{% liquid\nrender 'a'\n%}",
        "{% liquid\nif a\n%}",
        "{% macro a %}{% endmacro %}",
        "{% raw %}",
        "{% comment %}{% endcomment",
        "{% doc %}",
        "{%  %}",
        "{% if a %}",
        "{% endif %}",
        "{{ a",
        "{% if a",
        "{% break %}",
        "\ud800",
    ],
)
def test_what_is_not_a_template_is_refused_on_save(source):
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(text=source))
    assert (refused.value.code, refused.value.field) == ("template_syntax", "text")


DEEP: list[object] = []
DEEP_HASH: dict[str, object] = {}
for _ in range(2_000):
    DEEP, DEEP_HASH = [DEEP], {"a": DEEP_HASH}
HOG = "{% for i in (1..100) %}" * 2 + "x" + "{% endfor %}" * 2
BOMBS = {
    "a huge range": "{% for i in (1..1000000000) %}x{% endfor %}",
    "a huge range backwards": "{% for i in (1..1000000000) reversed %}x{% endfor %}",
    "the end of a huge range": "{% for i in (1..1000000000) offset: 999999990 %}x{% endfor %}",
    "nested loops": "{% for i in (1..100) %}" * 6 + "{% endfor %}" * 6,
    "loops in a row": HOG * 100,
    "empty loops in a row": "{% for i in (1..10000) %}{% endfor %}" * 800,
    "assignments": "{% for i in (1..10000) %}{% assign a = i %}{% endfor %}" * 600,
    "a string that doubles": "{% assign s = 'aaaaaaaaaa' %}" + "{% assign s = s | append: s %}" * 40 + "{{ s }}",
    "replace in a row": "{% assign s = 'aaaaaaaaaaaaaaaaaaaa' %}{{ s" + " | replace: 'a', s" * 9 + " }}",
    "join in a row": "{% assign s = 'aaaaaaaaaaaaaaaaaaaa' %}" + "{% assign s = s | split: '' | join: s %}" * 20,
    "a list that doubles": "{% assign a = 'a b' | split: ' ' %}" + "{% assign a = a | concat: a %}" * 60,
    "a number that squares": "{% assign n = 99999999999 %}" + "{% assign n = n | times: n %}" * 60,
    "a case that repeats": ("{% case 1 %}{% when " + "1," * 200 + "1 %}") * 12 + "x" + "{% endcase %}" * 12,
    "captures": "{% capture a %}aaaaaaaaaaaaaaaaaaaa{% endcapture %}"
    + "{% capture a %}{{a}}{{a}}{% endcapture %}" * 400,
    "sorting in a loop": "{% assign a = '" + "b a " * 200 + "' | split: ' ' %}"
    "{% for i in (1..10000) %}{% assign b = a | sort %}{% endfor %}",
    "a table in a table": "{% tablerow i in (1..900) %}{% tablerow j in (1..900) %}x" + "{% endtablerow %}" * 2,
    "tables in a row": "{% tablerow i in (1..9000) %}{% endtablerow %}" * 100,
    "cycles": "{% for i in (1..9999) %}{% cycle 'a', 'b' %}{% cycle x, i %}{% endfor %}" * 9,
    "a cycle of large texts": "{% assign s = '"
    + "a" * 900
    + "' %}"
    + "{% assign s = s | append: s %}" * 7
    + "{% for i in (1..9999) %}{% cycle s, s %}{% endfor %}",
    "JSON of JSON": "{% assign s = '<<<' %}" + "{% assign s = s | json %}" * 60 + "{{ s }}",
    "base64 of base64": "{% assign s = '" + "a" * 900 + "' %}" + "{% assign s = s | base64_encode %}" * 60,
    "counters": "{% for i in (1..9999) %}{% increment a %}{% decrement b %}{% endfor %}" * 20,
    "long ranges in a loop": "{% for i in (1..9000) %}{% assign q = (1..9999) | join: ',' | split: ',' %}{% endfor %}",
    "sorting ranges": "{% for i in (1..9000) %}{% assign q = (1..9999) | sort_natural | uniq %}{% endfor %}",
    "cutting markup": "{% capture c %}{% for i in (1..200) %}" + "<b>x</b>" * 100 + "{% endfor %}{% endcapture %}"
    "{% for i in (1..9000) %}{% assign q = c | split: 'x' %}{% endfor %}",
    "changing markup": "{% capture c %}{% for i in (1..200) %}" + "<b>x</b>" * 100 + "{% endfor %}{% endcapture %}"
    "{% for i in (1..9000) %}{% assign q = c | upcase %}{% endfor %}",
    "dates": "{% for i in (1..9999) %}{% assign q = 'now' | date: '" + "%99c" * 20 + "' %}{% endfor %}",
    "a number's bits": "{% assign n = 99999999999 %}"
    + "{% assign n = n | times: n %}" * 9
    + "{% for i in (1..9999) %}{% assign q = n | has: 99999 %}{% endfor %}" * 9,
    "looking in a list": "{% assign s = 'a b c' | split: ' ' %}"
    + "{% assign s = s | concat: s %}" * 11
    + "{% for i in (1..9999) %}{% if s contains 'z' or s == s %}{% endif %}{% endfor %}",
    "liquid in liquid": "{% " + "liquid " * 50 + "echo 1 %}",
    "many lines of liquid": "{% liquid\n" + "assign a = 1\n" * 2100 + "%}",
    "a long line of liquid": "{% liquid\necho '" + "a" * 1_100 + "'\n%}",
    "deep liquid": "{% liquid\n" + "if a\n" * 30 + "endif\n" * 30 + "%}",
    "deep blocks": "{% if a %}" * 30 + "{% endif %}" * 30,
    "too many outputs": "{{ a }}" * 3_000,
    "many long outputs": ("{{ a | default: '" + "a" * 900 + "' }}") * 100,
    "a long output": "{{ '" + "a" * 2_000 + "' }}",
    "blanks in an output": "{{" + " " * 500 + "a }}",
    "a large source": "a" * (256 * 1024 + 1),
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS.keys())
def test_what_would_never_end_or_never_fit_is_refused_on_save(source):
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(TemplateError) as refused:
            compile_template(TemplateSource(html=source, text="x"))
        assert time.process_time() - started < SECONDS * 4  # tracemalloc slows everything down
        assert tracemalloc.get_traced_memory()[1] < MEGABYTES * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert (refused.value.code, refused.value.field) == ("template_limit", "html")


@pytest.mark.parametrize(
    ("source", "variables"),
    [
        ("{{ a }}" * 1_000, {"a": "x" * 50_000}),
        ("{{ a | upcase }}" * 1_000, {"a": "x" * 50_000}),
        ("{{ a }}", {"a": [["x" * 1_000] * 1_000]}),
        ("{% capture b %}" + "{{ a }}" * 10 + "{% endcapture %}", {"a": "x" * 50_000}),
        ("{{ a | replace: 'x', a }}", {"a": "x" * 40_000}),
        ("{{ a | split: '' | join: a }}", {"a": "x" * 40_000}),
        (("{{ a" + " | sort" * 130 + " | size }}") * 60, {"a": list(range(10_000))}),
        ("{{ a | size }}", {"a": ["x" * 1_000] * 1_000}),
        ("{% for i in a %}{% for j in a %}x{% endfor %}{% endfor %}", {"a": [1] * 50_000}),
        ("{% for i in (1..n) %}x{% endfor %}", {"n": 10**12}),
        ("{% for i in (1..9000) %}{% if a contains 'zz' %}{% endif %}{% endfor %}", {"a": "y" * 200_000}),
        ("{{ a | date: '%Y' }}", {"a": "1" * 100_000}),
        ("{{ a | strip_html }}", {"a": "<" * 100_000 + ">"}),
        ("{{ a | json }}", {"a": [["x" * 1_000] * 1_000]}),
        ("{{ a | join: b }}", {"a": list(range(1_000)), "b": "x" * 1_000}),
        ("{{ a | newline_to_br }}" * 400, {"a": "x\n" * 20_000}),
        ("{% tablerow i in a %}{% tablerow j in a %}{% endtablerow %}{% endtablerow %}", {"a": [1] * 5_000}),
        ("{{ (1..n) | join }}", {"n": 10**12}),
        ("{% for i in (1..9000) %}{% if a == b %}{% endif %}{% endfor %}", {"a": [1] * 9_000, "b": [1] * 9_000}),
        ("{% for i in (1..9000) %}{% cycle a, 'x' %}{% endfor %}", {"a": "x" * 200_000}),
    ],
)
def test_values_cannot_make_a_render_too_large_or_too_long(source, variables):
    assert refusal(source, **variables).code == "template_limit"


def test_many_large_values_are_not_gathered_before_they_are_too_many():
    template = compile_template(TemplateSource(text="{{ a }}" * 2_000))
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError) as refused:
            template.render_email({"a": "x" * 200_000 + "\0"})
        assert tracemalloc.get_traced_memory()[1] < MEGABYTES * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert refused.value.code == "template_limit"


def test_the_engine_has_no_other_tags_and_filters_than_the_listed_ones():
    engine = environment()
    assert engine.filters.keys() == FILTERS.keys()
    assert not FILTERS.keys() & {"safe", "escapejs", "raw", "render"}
    assert engine.tags.keys() == TAGS | {"content", "output", "illegal", "doc"}


@pytest.mark.parametrize(
    "source",
    [
        *("{{ a | date: '%Y' }}", "{{ a | times: 10000000 }}", "{{ a | round: 5 }}", "{{ a | sum }}", "{{ a | ceil }}"),
        *("{{ a }}", "{{ a | json }}", "{{ a | append: '' }}", "{{ a | divided_by: 3 }}", "{{ a | modulo: 3 }}"),
        *("{{ a | abs }}", "{{ a | at_least: 3 }}", "{{ a | sort }}", "{{ a | uniq }}", "{{ a | slice: 1 }}"),
        *("{% for i in (1..a) %}{% endfor %}", "{% for i in a limit: a %}{% endfor %}", "{% if a > 1 %}{% endif %}"),
        *("{{ a | has: 3 }}", "{{ a | round: a }}", "{% tablerow i in (1..3) cols: a %}{% endtablerow %}"),
    ],
)
@pytest.mark.parametrize(
    "value", [10**400, 1e308, float("inf"), float("nan"), "²", "1e999999999", [["1e400"]], {}, DEEP, DEEP_HASH]
)
def test_odd_values_never_raise_anything_but_a_template_error(source, value):
    try:
        compile_template(TemplateSource(text=source)).render_email({"a": value})
    except TemplateError as error:
        assert error.code in {"template_render", "template_limit"}  # noqa: PT017


@pytest.mark.parametrize(
    "source",
    [
        "{{" * 100_000,
        "{%" * 100_000,
        "{{" + " " * 200_000,
        "{% raw %}" * 28_000,
        "{{ " + "(" * 900 + " }}",
        "{{ " + "[" * 900 + " }}",
        ("{{" + " " * 99 + "a" + " " * 99 + "}}") * 1_250,
        '<a href="' + "&#x" * 80_000 + '{{ a }}">',
        '<a href="' + ("{{ a }}" + "x" * 100) * 2_000 + '">',
        "<" * 200_000,
        "<!--" * 60_000,
        "<a " + "b " * 120_000 + ">",
        "{% comment %}" + "{%" * 100_000,
        "{% comment %}" * 1_900,
        "{% comment %}" + "{{ '" * 60_000 + "{% endcomment %}",
        "{% raw %}" + "{{" * 100_000 + "{% endraw %}",
        "{% doc %}" + "{% " * 80_000 + "{% enddoc %}",
        '<a href="' + "{% for i in a %}x" * 19 + "{% endfor %}" * 19 + '{{ b }}">',
        '<p style="' + "{% for i in a %}url(x" * 19 + "{% endfor %}" * 19 + '{{ b }}">',
        "<script>" + "{% for i in a %}'" * 19 + "{% endfor %}" * 19 + "</script>",
        '<p style="' + "url('{{ a }}" * 1_900 + '">',
        '<p style="' + "'" * 200_000 + '{{ a }}">',
        "<script>" + "'/*" * 80_000 + "{{ a | json }}",
    ],
)
def test_reading_a_source_takes_no_longer_than_its_size_warrants(source):
    started = time.process_time()
    with contextlib.suppress(TemplateError):
        compile_template(TemplateSource(html=source, text="x"))
    assert time.process_time() - started < SECONDS
