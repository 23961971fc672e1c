"""The fast path gives what Liquid gives, byte for byte."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from liquid import Environment

from templating.fast_path import FastPart
from templating.liquid_engine import parse
from templating.parts import LiquidPart

STOCK = {flag: Environment(autoescape=flag) for flag in (False, True)}
KEYS = ["a", "b", "user", "order_id", "x-y", "ключ"]

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0{"), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(["<b>", "{{a}}", "'\"&"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
)
variables_of_any_kind = st.dictionaries(st.sampled_from(KEYS), values, max_size=5)
paths = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3).map(".".join)
outputs = st.builds("{{{{{0}{1}{0}}}}}".format, st.sampled_from(["", " ", "\n\t"]), paths)
sources = st.lists(texts | outputs, max_size=6).map("".join)


@given(sources, variables_of_any_kind, st.booleans())
@example("a\r\n\r{{ a }}", {"a": "\r"}, False)
@example("{{ a.b }}{{ user }}", {"a": {"b": ["<", None, True]}, "user": {"a": 1.5}}, True)
def test_the_fast_path_equals_liquid(source, variables, escape_html):
    template = parse(source, escape_html=escape_html)
    fast = FastPart.of(template.nodes)
    assert fast is not None
    rendered = fast.render(variables)
    assert rendered == LiquidPart(template).render(variables)
    assert rendered == STOCK[escape_html].from_string(source).render(variables)


@given(st.sampled_from(["a | upcase", "a.size", "a[0]", "'x'", "a.first", "a[b]"]), variables_of_any_kind)
def test_what_means_more_than_a_lookup_is_left_to_liquid(expression, variables):
    assert FastPart.of(parse(f"x {{{{ {expression} }}}} y", escape_html=True).nodes) is None


@pytest.mark.parametrize("source", ["a {{- b -}} c", " {{- b }} ", "{{ b -}}\n x"])
def test_whitespace_control_does_the_same_on_the_fast_path(source):
    template = parse(source, escape_html=False)
    fast = FastPart.of(template.nodes)
    assert fast is not None
    assert fast.render({"b": "B"}) == LiquidPart(template).render({"b": "B"})
