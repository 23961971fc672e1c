"""No source can run code, read files, stall a worker or fill its memory. (Abuse case 15.)"""

import contextlib
import time
import tracemalloc

import pytest

from templating import TemplateError, TemplateSource, compile_template
from templating.filters import FILTERS
from templating.liquid_engine import environment
from templating.markup import TAGS

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
    ["{{ a | date: '%Y' }}", "{{ a | times: 10000000 }}", "{{ a | round: 5 }}", "{{ a | sum }}", "{{ a | ceil }}"],
)
@pytest.mark.parametrize("value", [10**400, 1e308, float("inf"), float("nan"), "²", "1e999999999", [["1e400"]], {}])
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
    ],
)
def test_reading_a_source_takes_no_longer_than_its_size_warrants(source):
    started = time.process_time()
    with contextlib.suppress(TemplateError):
        compile_template(TemplateSource(html=source, text="x"))
    assert time.process_time() - started < SECONDS
