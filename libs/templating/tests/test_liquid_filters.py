"""Liquid's standard filters, as its reference has them. Each line: template, and what comes out for VARIABLES."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templating import TemplateError, TemplateSource, compile_template

ITEMS = [{"n": "b", "p": 3, "ok": True}, {"n": "A", "p": 1.5}, {"p": None}, {"n": "b", "p": "2 pcs", "ok": False}]
VARIABLES: dict[str, object] = {
    "items": ITEMS,
    "mixed": ["b", None, "A", "c"],
    "numbers": [3, 1.5, 2],
    "nested": [[1, [2]], 3],
    "with_nil": [{"n": 1}, None],
    "text": "Hello, wörld",
    "s": "héllo wörld 日本",
    "spaced": "  a \u00a0 b\t\nc  ",
    "html": "<p>a<br/>b</p><script>x</script><!-- c --><style>y</style>",
    "none": None,
    "big": 2**70,
}


def text(source: str, variables: dict[str, object] = VARIABLES) -> str:
    """What the part alone prints: of what is missing, others ask."""
    return compile_template(TemplateSource(text=source)).parts["text"].render(variables)


def check(call: str, expected: str) -> None:
    assert text(f"{{{{ {call} }}}}") == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        *[("2.5 | round", "3"), ("-2.5 | round", "-3"), ("0.5 | round", "1"), ("1.5 | round", "2"), ("3 | round", "3")],
        *[("2.675 | round: 2", "2.68"), ("1.005 | round: 2", "1.01"), ("-0.125 | round: 2", "-0.13")],
        *[("1234.5 | round: -2", "1200"), ("1250 | round: -2", "1300"), ("5 | round: 2", "5"), ("'2.5' | round", "3")],
        *[("2.4 | round: '1'", "2.4"), ("none | round", "0"), ("'x' | round", "0"), ("2.5 | round: none", "3")],
        *[("7 | divided_by: 2", "3"), ("-7 | divided_by: 2", "-4"), ("7 | divided_by: 2.0", "3.5")],
        *[
            ("7.0 | divided_by: 2", "3.5"),
            ("'7' | divided_by: '2'", "3"),
            ("1 | divided_by: 3.0", "0.3333333333333333"),
        ],
        *[
            ("0.1 | plus: 0.2", "0.3"),
            ("0.3 | minus: 0.1", "0.2"),
            ("1.1 | times: 3", "3.3"),
            ("19.9 | times: 3", "59.7"),
        ],
        *[("'12 pcs' | plus: 1", "13"), ("'1.5' | plus: 1", "2.5"), ("'abc' | plus: 1", "1"), ("true | plus: 1", "1")],
        *[("none | plus: 1", "1"), ("'1_000' | plus: 1", "1001"), ("' 7 ' | plus: 1", "8"), ("'1e3' | plus: 0", "1")],
        *[("7 | modulo: 3", "1"), ("-7 | modulo: 3", "2"), ("7 | modulo: -3", "-2"), ("7.5 | modulo: 2", "1.5")],
        *[("-7.5 | modulo: 2", "0.5"), ("183.357 | modulo: 12", "3.357")],
        *[("'-3.7' | abs", "3.7"), ("-3 | abs", "3"), ("'x' | abs", "0"), ("1.2 | ceil", "2"), ("-1.2 | ceil", "-1")],
        *[("'1.2' | ceil", "2"), ("1.9 | floor", "1"), ("-1.1 | floor", "-2"), ("'x' | floor", "0"), ("3 | ceil", "3")],
        *[
            ("3 | at_least: 5", "5"),
            ("'9' | at_least: 5", "9"),
            ("3 | at_most: 2.5", "2.5"),
            ("none | at_least: 1", "1"),
        ],
        *[("big | plus: 1", str(2**70 + 1)), ("big | divided_by: 2", str(2**69)), ("big | times: big", str(2**140))],
    ],
)
def test_numbers(call, expected):
    check(call, expected)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        *[("s | upcase", "HÉLLO WÖRLD 日本"), ("s | capitalize", "Héllo wörld 日本"), ("'éA' | capitalize", "Éa")],
        *[("s | size", "14"), ("s | slice: 1, 4", "éllo"), ("s | slice: -2, 2", "日本"), ("s | slice: -99, 2", "")],
        *[("s | slice: 99", ""), ("s | slice: 14", ""), ("s | slice: 0, -1", ""), ("s | slice: '2'", "l")],
        *[("123 | slice: 1", "2"), ("mixed | slice: 2, 2 | join", "A c"), ("mixed | slice: -1 | join", "c")],
        *[
            ("s | truncate: 8", "héllo..."),
            ("s | truncate: 5, ''", "héllo"),
            ("s | truncate: 2", "..."),
            ("s | truncate", "héllo wörld 日本"),
        ],
        *[
            ("s | truncate: '8'", "héllo..."),
            ("'日本語テキスト' | truncate: 6", "日本語..."),
            ("none | truncate: 3", ""),
        ],
        *[
            ("s | truncatewords: 2", "héllo wörld..."),
            ("s | truncatewords: 0", "héllo..."),
            ("'a  b\nc' | truncatewords: 2, '!'", "a b!"),
        ],
        *[
            ("'a\u00a0b c' | truncatewords: 1", "a\u00a0b..."),
            ("spaced | strip", "a \u00a0 b\t\nc"),
            ("spaced | squish", "a \u00a0 b c"),
        ],
        *[("spaced | lstrip | size", "10"), ("spaced | rstrip | size", "10"), ("'\u00a0a' | strip", "\u00a0a")],
        *[
            ("'a,b,,' | split: ',' | size", "2"),
            ("',a' | split: ',' | size", "2"),
            ("'ab' | split: '' | join: '-'", "a-b"),
        ],
        *[
            ("' a  b ' | split: ' ' | join: '-'", "a-b"),
            ("none | split: ',' | size", "0"),
            ("'a1b' | split: 1 | join", "a b"),
        ],
        *[("'aXbX' | remove: 'X'", "ab"), ("'aXbX' | remove_first: 'X'", "abX"), ("'aXbX' | remove_last: 'X'", "aXb")],
        *[
            ("'aXbX' | replace: 'X', '-'", "a-b-"),
            ("'aXbX' | replace_first: 'X', '-'", "a-bX"),
            ("'aXbX' | replace_last: 'X', '-'", "aXb-"),
        ],
        *[
            ("'ab' | replace: '', '-'", "-a-b-"),
            ("'ab' | replace: 'a'", "b"),
            ("'ab' | replace_last: 'z', '-'", "ab"),
            ("'Xa' | remove_last: 'X'", "a"),
        ],
        *[
            ("12 | append: 3", "123"),
            ("12 | replace: 1, 3", "32"),
            ("1.0 | append: ''", "1.0"),
            ("none | append: 'x'", "x"),
        ],
        *[
            ("html | strip_html", "ab"),
            ("'<a' | strip_html", "<a"),
            ("'a <b\nc> d' | strip_html", "a  d"),
            ("1 | strip_html", "1"),
        ],
        *[("'a\r\nb\nc' | strip_newlines", "abc"), ("'a\r\nb\nc' | newline_to_br", "a<br />\nb<br />\nc")],
        *[
            ("'<a> & \"b\"' | escape", "&lt;a&gt; &amp; &quot;b&quot;"),
            ('"it\'s" | escape', "it&#39;s"),
            ("none | escape", ""),
        ],
        *[("'1 < 2 &amp; 3 & 4 &#39;' | escape_once", "1 &lt; 2 &amp; 3 &amp; 4 &#39;"), ("'<' | h", "&lt;")],
        *[
            ("'a b&c/é~*' | url_encode", "a+b%26c%2F%C3%A9~%2A"),
            ("'a+b%26%C3%A9' | url_decode", "a b&é"),
            ("none | url_encode", ""),
        ],
        *[
            ("'é<' | base64_encode", "w6k8"),
            ("'w6k8' | base64_decode", "é<"),
            ("'~~~?' | base64_url_safe_encode", "fn5-Pw=="),
        ],
        *[("'fn5-Pw' | base64_url_safe_decode", "~~~?"), ("none | base64_decode", ""), ("12 | base64_encode", "MTI=")],
    ],
)
def test_texts(call, expected):
    check(call, expected)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        *[
            ("items | map: 'n' | join: ','", "b,A,,b"),
            ("items | map: 'nosuch' | join: ','", ",,,"),
            ("items | map: 'n' | compact | size", "3"),
        ],
        *[
            ("items | sort: 'n' | map: 'n' | join: ','", "A,b,b,"),
            ("items | sort_natural: 'n' | map: 'n' | join: ','", "A,b,b,"),
        ],
        *[
            ("items | sort: 'nosuch' | size", "4"),
            ("mixed | sort | join: ','", "A,b,c,"),
            ("mixed | sort_natural | join: ','", "A,b,c,"),
        ],
        *[
            ("numbers | sort | join: ','", "1.5,2,3"),
            ("numbers | reverse | join: ','", "2,1.5,3"),
            ("nested | join: ','", "1,2,3"),
        ],
        *[
            ("items | where: 'ok' | size", "1"),
            ("items | where: 'n', 'b' | size", "2"),
            ("items | where: 'ok', false | size", "1"),
        ],
        *[
            ("items | where: 'p', 3 | size", "1"),
            ("items | where: 'nosuch' | size", "0"),
            ("items | reject: 'ok' | size", "3"),
        ],
        *[
            ("items | reject: 'n', 'b' | map: 'n' | join: ','", "A,"),
            ("items | find: 'n', 'A' | map: 'p' | first", "1.5"),
        ],
        *[
            ("items | find: 'n', 'zz'", ""),
            ("items | find_index: 'n', 'A'", "1"),
            ("items | find_index: 'n', 'zz'", ""),
        ],
        *[("items | has: 'n', 'A'", "true"), ("items | has: 'n', 'zz'", "false"), ("items | has: 'ok'", "true")],
        *[("items | sum: 'p'", "6.5"), ("numbers | sum", "6.5"), ("nested | sum", "6"), ("items | sum: 'nosuch'", "0")],
        *[
            ("items | uniq: 'n' | size", "3"),
            ("items | uniq: 'nosuch' | size", "1"),
            ("items | compact: 'n' | size", "3"),
        ],
        *[
            ("mixed | compact | size", "3"),
            ("numbers | concat: mixed | size", "7"),
            ("nested | concat: nested | size", "5"),
        ],
        *[
            ("numbers | first", "3"),
            ("numbers | last", "2"),
            ("none | first", ""),
            ("'' | first", ""),
            ("text | first", "H"),
        ],
        *[("text | join: '-'", "Hello, wörld"), ("none | join", ""), ("5 | join", "5"), ("none | sort | size", "0")],
        *[("none | size", "0"), ("items | size", "4"), ("true | size", "0"), ("none | map: 'x' | size", "0")],
        *[
            ("none | default: 'x'", "x"),
            ("false | default: 'x'", "x"),
            ("'' | default: 'x'", "x"),
            ("0 | default: 'x'", "0"),
        ],
        *[
            ("false | default: 'x', allow_false: true", "false"),
            ("none | default: 'x', allow_false: true", "x"),
            ("' ' | default: 'x'", " "),
        ],
        *[
            ("none | default", ""),
            ("numbers | default: 'x' | size", "3"),
            ("nothing | default: nothing | default: 'y'", "y"),
        ],
        *[
            ("with_nil | map: 'n' | join: ','", "1,"),
            ("with_nil | where: 'n', 1 | size", "0"),
            ("with_nil | find: 'n', 1 | map: 'n'", "1"),
        ],
        *[
            ("items | first | json", '{"n":"b","p":3,"ok":true}'),
            ("none | json", "null"),
            ("text | json", '"Hello, wörld"'),
        ],
        *[
            ("numbers | json", "[3,1.5,2]"),
            ("'</b>&\"' | json", '"\\u003c/b\\u003e\\u0026\\""'),
            ("true | json", "true"),
            ("big | json", str(2**70)),
        ],
    ],
)
def test_lists_and_hashes(call, expected):
    check(call, expected)


def test_uniq_keeps_the_first_and_tells_kinds_apart():
    assert text("{{ a | uniq | json }}", {"a": [1, 1.0, "1", True, 1, None, None, [1], [1], {"b": 1}, {"b": 1}]}) == (
        '[1,1.0,"1",true,null,{"b":1}]'  # a list in a list counts as its items
    )


@pytest.mark.parametrize(
    ("source", "variables"),
    [
        ("{{ a | divided_by: b }}", {"a": 1, "b": 0}),
        ("{{ a | modulo: b }}", {"a": 1.5, "b": "x"}),
        ("{{ a | truncate: b }}", {"a": "x", "b": "y"}),
        ("{{ a | sort }}", {"a": [1, "x"]}),
        ("{{ a | sort: 'k' }}", {"a": [{"k": 1}, {"k": "x"}]}),
        ("{{ a | map: 'k' }}", {"a": [[1]]}),
        ("{{ a | concat: b }}", {"a": [1], "b": "x"}),
        ("{{ a | base64_decode }}", {"a": "%"}),
        ("{{ a | base64_decode }}", {"a": "/w=="}),
        ("{{ a | url_decode }}", {"a": "%ff"}),
        ("{{ a | plus: 1 }}", {"a": "9" * 5000}),
    ],
)
def test_what_makes_no_sense_says_so_without_the_value(source, variables):
    with pytest.raises(TemplateError) as failed:
        compile_template(TemplateSource(text=source)).render_email(variables)
    assert failed.value.code == "template_render"
    assert failed.value.message.startswith("line 1: '")


@given(st.decimals(min_value=-10_000, max_value=10_000, places=4), st.integers(0, 3))
def test_rounding_is_never_further_than_half_and_goes_away_from_zero(number, places):
    rounded = text("{{ n | round: places }}", {"n": float(number), "places": places})
    half = 0.5 * 10**-places
    distance = abs(float(rounded) - float(number))
    assert distance <= half + 1e-9
    if abs(distance - half) < 1e-9:
        assert abs(float(rounded)) > abs(float(number))
