"""The fast path gives what Liquid gives, byte for byte."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from templating.expressions import FastPart
from templating.liquid_engine import parse
from templating.parts import LiquidPart

KEYS = ["a", "b", "user", "order_id", "x-y", "ключ"]

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0{"), max_size=8)
numbers = st.integers() | st.floats() | st.decimals(allow_nan=False, allow_infinity=False, places=2)
scalars = st.none() | st.booleans() | numbers | texts | st.sampled_from(["<b>", "{{a}}", "'\"&", "\ufdd0"])
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
@example("{{ a }}{{ b }}", {"a": 10**30, "b": 1e20}, False)
def test_the_fast_path_equals_liquid(source, variables, escape_html):
    template = parse(source, escape_html=escape_html)
    fast = FastPart.from_nodes(template.nodes)
    assert fast is not None
    assert fast.render(variables) == LiquidPart(template).render(variables)


@given(variables_of_any_kind, st.booleans())
def test_an_output_prints_what_a_tag_around_it_prints(variables, escape_html):
    plain = parse("{{ a }}|{{ user.b }}", escape_html=escape_html)
    tagged = parse("{% if true %}{{ a }}{% endif %}|{% echo user.b %}", escape_html=escape_html)
    fast = FastPart.from_nodes(plain.nodes)
    assert fast is not None
    assert FastPart.from_nodes(tagged.nodes) is None
    assert fast.render(variables) == LiquidPart(tagged).render(variables)


@given(st.sampled_from(["a | upcase", "a.size", "a[0]", "'x'", "a.first", "a[b]"]), variables_of_any_kind)
def test_what_means_more_than_a_lookup_is_left_to_liquid(expression, variables):
    assert FastPart.from_nodes(parse(f"x {{{{ {expression} }}}} y", escape_html=True).nodes) is None


@pytest.mark.parametrize("source", ["a {{- b -}} c", " {{- b }} ", "{{ b -}}\n x"])
def test_whitespace_control_does_the_same_on_the_fast_path(source):
    template = parse(source, escape_html=False)
    fast = FastPart.from_nodes(template.nodes)
    assert fast is not None
    assert fast.render({"b": "B"}) == LiquidPart(template).render({"b": "B"})
