"""What a template alone tells about the size of a push. (The gateway's tests compare it with what is rendered.)"""

import json

import pytest

from templating import PushSize, TemplateSource, compile_template, push_size
from templating.source import MAX_PUSH_TEXT_BYTES


def size_of(**parts: str) -> PushSize | None:
    return push_size(compile_template(TemplateSource(**parts)))


def as_json(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode())


def test_literals_count_as_json_and_values_by_their_names() -> None:
    size = size_of(title='"é" {{ a }}', body="{{ a }}{{ b.c }}", link="https://example.com/{{ a }}")
    assert size == PushSize(as_json('"é" ') + as_json("") + as_json("https://example.com/"), {"a": 3, "b.c": 1})


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ("{{ a | strip }}", {"a": 1}),
        ("{{ a | append: b | upcase }}", {"a": 3, "b": 3}),
        ("{{ a | upcase | append: b }}", {"a": 3, "b": 1}),
        ("{{ a | default: b | truncate: 9, c }}", {"a": 1, "b": 1, "c": 1}),
        ("{% if x %}{{ a }}{% elsif y %}{{ b }}{% else %}{{ a }}{% endif %}", {"a": 2, "b": 1}),
        ("{% unless x %}{{ a | downcase }}{% endunless %}", {"a": 3}),
        ("{{ a[0].b }}{{ b.size }}", {"a": 1, "b": 1}),
        ("{{ a | date: '%d %B' }}", {"a": 1}),
    ],
)
def test_some_filters_and_conditions_have_a_bound(body: str, values: dict[str, int]) -> None:
    size = size_of(title="T", body=body)
    assert size is not None
    assert size.values == values


@pytest.mark.parametrize(
    "body",
    [
        "{% for i in (1..9) %}{{ a }}{% endfor %}",
        "{% assign b = a %}{{ b }}",
        "{% capture b %}{{ a }}{% endcapture %}{{ b }}{{ b }}",
        "{% case a %}{% when 1 %}{{ a }}{% endcase %}",
        "{% cycle 'a', 'b' %}",
        "{{ a | replace: 'a', b }}",
        "{{ a | url_encode }}",
        "{{ a | json }}",
        "{{ a | date: b }}",
        "{{ (1..9) }}",
    ],
)
def test_whatever_can_make_much_of_little_has_none(body: str) -> None:
    assert size_of(title="T", body=body) is None


def test_the_text_of_an_e_mail_counts_as_what_it_is_cut_to() -> None:
    loop = "{% for i in (1..9) %}{{ a }}{% endfor %}"
    assert size_of(subject="{{ a }}", html=f"<p>{loop}</p>") == PushSize(MAX_PUSH_TEXT_BYTES + as_json(""), {"a": 1})
    assert size_of(subject="", text=loop) == PushSize(MAX_PUSH_TEXT_BYTES, {})
    assert size_of(subject=loop, text="T") is None
