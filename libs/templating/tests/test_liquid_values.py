"""Values print, compare and count as in Liquid's reference. Each line: template, what comes out, for these variables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templating import TemplateError, TemplateSource, compile_template

VARIABLES: dict[str, object] = {
    "none": None,
    "yes": True,
    "no": False,
    "text": "Ada",
    "blanks": " \n",
    "empty_text": "",
    "list": [True, None, "a", 1.0, [2, ["b"]], {"k": "v"}],
    "names": ["Cy", "ada", "Bob"],
    "no_items": [],
    "no_keys": {},
    "hash": {"a": 1, "b": [None, True], "size": 9},
    "order": {"limit": 5, "offset": 6, "in": 7, "for": 8, "nil": 9, "contains": 10, "with": 11},
    "limit": 2,
    "big": 12345678901234567890123,
    "quote": 'a "b" \\ #{c}\n',
}


def text(source: str, variables: dict[str, object] = VARIABLES) -> str:
    """What the part alone prints: of what is missing, others ask."""
    return compile_template(TemplateSource(text=source)).parts["text"].render(variables)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ yes }} {{ no }} {{ none | default: nil }}", "true false "),
        ("{{ yes | append: '!' }} {{ 'x' | append: none }} {{ 'x' | prepend: no }}", "true! x falsex"),
        ("{{ list }}", 'truea1.02b{"k"=>"v"}'),
        ("{{ list | join: ',' }}", 'true,,a,1.0,2,b,{"k"=>"v"}'),
        ("{{ list | append: '' }}", '[true, nil, "a", 1.0, [2, ["b"]], {"k"=>"v"}]'),
        ("{{ hash }}", '{"a"=>1, "b"=>[nil, true], "size"=>9}'),
        ("{{ quote | split: '!' | append: '' }}", '["a \\"b\\" \\\\ \\#{c}\\n"]'),
        (
            "{{ big }} {{ big | plus: 1 }} {{ big | append: '' }}",
            "12345678901234567890123 12345678901234567890124 12345678901234567890123",
        ),
        ("{{ 1.0 }} {{ 1.50 }} {{ -0.5 }} {{ 100000000.0 }}", "1.0 1.5 -0.5 100000000.0"),
        ("{{ (1..3) }} {{ (1..3) | join: '-' }} {{ (1..3) | last }}", "1..3 1-2-3 3"),
        ("{% assign r = (2..4) %}{{ r | size }}{{ r | sum }}", "39"),
        ("{{ blank }}|{{ empty }}|{% assign x = blank %}{{ x | size }}", "||0"),
        ("{{ text.size }} {{ text.first }} {{ text.last }} {{ text | first }} {{ text | last }}", "3 A a A a"),
        (
            "{{ names.size }} {{ names.first }} {{ names.last }} {{ names[0] }} {{ names[-1] }} {{ names[9] }}",
            "3 Cy Bob Cy Bob ",
        ),
        ("{{ hash.size }} {{ hash['a'] }} {{ hash.b[1] }} {{ hash.first[0] }}", "9 1 true a"),
        ("{{ no_keys.size }}{{ text.nosuch }}{{ text[0] }}{{ yes.size }}{{ 5 | size }}", "08"),
        ("{{ order.limit }} {{ order.offset }} {{ order.in }} {{ order.for }} {{ order['with'] }}", "5 6 7 8 11"),
        ("{{ order.nil }} {{ order.contains }} {{ limit }} {{ nil.nosuch }}", "9 10 2 "),
        ("{% for i in names limit: limit %}{{ i }} {% endfor %}", "Cy ada "),
        ("{% for i in names limit: order.limit offset: 1 %}{{ i }} {% endfor %}", "ada Bob "),
        ("{% assign offset = 1 %}{{ offset | plus: limit }}", "3"),
        ("{% capture with %}x{% endcapture %}{{ with }}", "x"),
        ("{% increment as %}{{ as }}{% assign x = order.for | plus: order.limit %}{{ x }}", "0113"),
        ("{% if limit == 2 and order.limit > offset %}x{% endif %}{% case limit %}{% when 2 %}y{% endcase %}", "y"),
    ],
)
def test_values_print_as_in_the_reference(source, expected):
    assert text(source) == expected


@pytest.mark.parametrize(
    "condition",
    [
        *("nothing == blank", "none == blank", "no == blank", "blanks == blank", "empty_text == blank"),
        *("no_items == blank", "no_keys == blank", "blank == none", "text != blank", "yes != blank", "0 != blank"),
        *("empty_text == empty", "no_items == empty", "no_keys == empty", "none != empty", "blanks != empty"),
        *("text != empty", "0 != empty", "no != empty", "blank != empty", "empty == empty_text"),
        *("nothing == nil", "none == nil", "no != nil", "nil == nothing", "empty_text != nil", "nothing == none"),
        *("1 == 1.0", "yes == true", "1 != true", "0 != false", "'1' != 1", "yes != 'true'", "none != false"),
        *("names == names", "hash == hash", "names != list", "(1..3) == (1..3)"),
        *("names contains 'ada'", "text contains 'd'", "hash contains 'a'", "(1..3) contains 2"),
        *("2 > 1", "1.5 < 2", "2 >= 2.0", "'a' < 'b'", "limit <= 2", "0", "empty_text", "no_items", "empty"),
        *("no or yes and yes", "yes or no and no", "text and names", "hash.size > 8"),
    ],
)
def test_true_conditions(condition):
    assert text(f"{{% if {condition} %}}T{{% else %}}F{{% endif %}}") == "T"
    assert text(f"{{% unless {condition} %}}F{{% else %}}T{{% endunless %}}") == "T"


@pytest.mark.parametrize(
    "condition",
    [
        *("nothing", "none", "no", "nil", "false", "nothing.at.all", "text.nosuch"),
        *("nothing == empty", "text == blank", "1 == '1'", "1 == true", "no == none", "empty == blank"),
        *("none > 0", "none < 0", "0 > nothing", "yes > 0", "names > 0", "blank > 1", "1 <= empty", "hash < 1"),
        *("none contains 'a'", "text contains none", "5 contains 5", "hash contains 'z'", "names contains 1"),
        *("no and yes or yes", "none and nothing"),
    ],
)
def test_false_conditions(condition):
    assert text(f"{{% if {condition} %}}T{{% else %}}F{{% endif %}}") == "F"


def test_case_compares_as_if_does():
    source = "{% case v %}{% when blank %}blank{% when 1, 2 or 3 %}few{% when 'a' %}a{% else %}else{% endcase %}"
    for value, expected in [(None, "blank"), ("", "blank"), (False, "blank"), (2, "few"), (3.0, "few"), ("a", "a")]:
        assert text(source, {"v": value}) == expected
    assert text(source, {"v": True}) == text(source, {"v": "1"}) == "else"


@pytest.mark.parametrize("condition", ["a > 'x'", "'x' <= a", "a < b"])
def test_a_number_is_not_compared_with_a_text(condition):
    with pytest.raises(TemplateError) as failed:
        text(f"{{% if {condition} %}}{{% endif %}}", {"a": 1, "b": "secret"})
    assert failed.value.code == "template_render"
    assert "a number cannot be compared with a text" in failed.value.message
    assert "secret" not in failed.value.message


@given(st.integers())
def test_whole_numbers_print_exactly(number):
    assert text("{{ n }} {{ n | append: '' }} {{ n | plus: 0 }}", {"n": number}) == f"{number} {number} {number}"
