"""Values are kept exactly as received, or refused with their path."""

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from chassis.json_values import MAX_DIGITS, JsonObject, NotKept, problems_in, to_json


def _read(text: str, most: int = 1_000_000) -> JsonObject:
    raw = text.encode()
    return JsonObject.read("variables", raw, orjson.loads(raw), max_bytes=most)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{}", {}),
        ('{"b":1,"a":2}', {"b": 1, "a": 2}),
        ('{ "b" : 1.10 ,\n"a" : 1e2 }', {"b": 1.1, "a": 100.0}),
        ('{"n":12345678901234567890123}', {"n": 12345678901234567890123}),
        ('{"n":-18446744073709551616}', {"n": -(2**64)}),
        ('{"n":18446744073709551615}', {"n": 2**64 - 1}),
        ('{"n":0.1234567890123456}', {"n": 0.1234567890123456}),
        ('{"n":1.0000000000000000000000}', {"n": 1.0}),
        ('{"n":5e-324}', {"n": 5e-324}),
        ('{"n":-0.0}', {"n": -0.0}),
        ('{"s":"\\u00e9\\ud83d\\ude00\\/"}', {"s": "é\U0001f600/"}),
        ('{"s":"\\"a\\": 1, \\"a\\": 2","a":3}', {"s": '"a": 1, "a": 2', "a": 3}),
        ('{"n":' + "9" * MAX_DIGITS + "}", {"n": int("9" * MAX_DIGITS)}),
    ],
)
def test_text_and_values_are_those_that_came(text: str, values: dict) -> None:
    read = _read(text)
    assert (read.text, dict(read), list(read)) == (text, values, list(values))
    assert to_json({"x": read}) == b'{"x":' + text.encode() + b"}"
    assert dict(JsonObject(text)) == values, "and when it is read from the database"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"n":0.12345678901234567890}', "variables.n"),
        ('{"o":{"l":[1,{"n":9007199254740993.5}]}}', "variables.o.l.1.n"),
        ('{"n":1e-400}', "variables.n"),
        ('{"n":1e-99999999999999999999999}', "variables.n"),
        ('{"n":3.141592653589793238462643383279}', "variables.n"),
        ('{"n":9' + "0" * (MAX_DIGITS - 1) + ".5}", "variables.n"),
        ('{"a":1,"a":2}', "variables.a"),
        ('{"a" :1,"\\u0061": 2,"b":"\\u0022:"}', "variables.a"),
        ('{"o":{"a":1,"b":2,"a":1}}', "variables.o.a"),
        ('{"o":["\\u0000"]}', "variables.o.0"),
        ('{"o":{"\\u0000":1}}', "variables.o"),
        ('{"x":' + "[" * 32 + "]" * 32 + "}", "variables"),
        ('{"x":' + "[" * 1_000 + "]" * 1_000 + "}", "variables"),
    ],
)
def test_what_cannot_be_kept_is_named_by_its_path(text: str, path: str) -> None:
    with pytest.raises(NotKept) as refused:
        _read(text)
    assert [one["field"] for one in refused.value.problems] == [path]


def test_every_problem_is_named_up_to_a_bound() -> None:
    with pytest.raises(NotKept) as refused:
        _read('{"a":1e-400,"b":"\\u0000","c":[1e-400]}')
    assert [one["field"] for one in refused.value.problems] == ["variables.a", "variables.b", "variables.c.0"]
    with pytest.raises(NotKept) as many:
        _read('{"a":[' + ",".join(["1e-400"] * 10_000) + "]}")
    assert len(many.value.problems) == 20


def test_only_what_an_object_says_counts_for_its_size() -> None:
    letters = "я" * 100
    escaped = json.dumps({"s": letters, "n": 12345678901234567890123}, indent=4)
    assert dict(_read(escaped, most=300)) == {"s": letters, "n": 12345678901234567890123}
    assert len(_read(escaped, most=300).text.encode()) < 300
    with pytest.raises(NotKept):
        _read(escaped, most=200)
    with pytest.raises(NotKept):
        _read('{"s":"' + "x" * 300 + '"}', most=300)


def test_a_path_that_no_answer_could_hold_is_still_answered() -> None:
    [problem] = problems_in("variables", {"a\ud800": {"b": "\0"}})[:1]
    assert orjson.dumps(problem)


decimals = st.decimals(-(10**20), 10**20, places=25) | st.decimals(-1, 1, places=16) | st.decimals(0, 99, places=2)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | decimals
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | numbers | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=10,
)


def _written(value: object, *, ascii_only: bool, blank: str) -> str:
    """JSON as some program might write it; decimals with all their digits."""
    match value:
        case Decimal():
            return f"{value:f}"
        case dict():
            pairs = ((json.dumps(key, ensure_ascii=ascii_only), one) for key, one in value.items())
            inner = (f"{key}{blank}:{_written(one, ascii_only=ascii_only, blank=blank)}" for key, one in pairs)
            return "{" + f",{blank}".join(inner) + "}"
        case list():
            return "[" + ",".join(_written(one, ascii_only=ascii_only, blank=blank) for one in value) + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


@given(st.dictionaries(strings, values, max_size=3), st.booleans(), st.sampled_from(["", " ", "\n\t"]))
def test_nothing_is_ever_changed_without_a_word(value: dict, ascii_only: bool, blank: str) -> None:
    text = _written(value, ascii_only=ascii_only, blank=blank)
    try:
        read = _read(text)
    except NotKept:
        return  # said, and by its path: see above
    as_written = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    assert read.text == text
    assert _decimals(dict(read)) == as_written, "the values that are rendered are those that were written"
    assert json.loads(to_json(read), parse_float=Decimal, parse_int=Decimal) == as_written


def _decimals(value: object) -> object:
    match value:
        case bool() | None | str():
            return value
        case int():
            return Decimal(value)
        case float():
            return Decimal(repr(value))
        case dict():
            return {key: _decimals(one) for key, one in value.items()}
        case list():
            return [_decimals(one) for one in value]
    raise AssertionError(value)


class _Model(BaseModel):
    variables: JsonObject = Field(default_factory=JsonObject.empty)


@pytest.mark.parametrize("given_", [None, [], {}])
def test_nothing_is_an_empty_object(given_: object) -> None:
    assert dict(_Model(variables=given_).variables) == dict(_Model().variables) == {}


@pytest.mark.parametrize("given_", [[1], "x", 1, False, ""])
def test_what_is_no_object_is_refused(given_: object) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        _Model(variables=given_)


def test_a_models_answer_holds_the_text_that_came() -> None:
    text = '{"b": 1.10, "a": 12345678901234567890123}'
    assert to_json(_Model(variables=_read(text))) == b'{"variables":' + text.encode() + b"}"
    assert _Model(variables=_read(text)).model_dump(mode="json") == {"variables": json.loads(text)}
