"""Any source with any values renders within its limits or gives a documented error, and no value becomes markup."""

import time
from html.parser import HTMLParser

from hypothesis import example, given, settings
from hypothesis import strategies as st

from templating import TemplateError, TemplateSource, compile_template
from templating.filters import FILTERS

SECONDS = 3.0  # of CPU; each takes under 0.1 on an idle machine
CODES = {
    "template_empty", "template_syntax", "template_limit", "unsafe_output", "unsafe_url", "missing_variables",
    "template_render", "channel_not_served",
}  # fmt: skip
# No source has a tag or an attribute of this name: where it stands in a message, a value has become markup.
ATTACKS = [
    "<zq>",
    "</p><zq onzq=1>",
    '" onzq="1',
    "' onzq='1",
    "x onzq=1",
    "--><zq>",
    "</title><zq>",
    "&lt;zq&gt;",
    "{{ b }}<zq>",
]

names = st.sampled_from(["a", "b", "a.b", "a[0]", "b.first", "c", "forloop.index", "'lit'", "3", "nil", "(1..4)"])
arguments = st.lists(names, max_size=2).map(lambda values: ": " + ", ".join(values) if values else "")
filters = st.lists(
    st.builds(lambda name, rest: f" | {name}{rest}", st.sampled_from(sorted(FILTERS)), arguments), max_size=3
)
outputs = st.builds(lambda name, applied: "{{ " + name + "".join(applied) + " }}", names, filters)
conditions = st.builds(
    lambda left, sign, right: f"{left} {sign} {right}",
    names,
    st.sampled_from(["==", "<", "contains", "and", "or"]),
    names,
)
html_pieces = st.sampled_from([
    "<p>", "</p>", "<br>", "<title>", "</title>", "<!--", "-->", " text ", "<b class='x'>", "&amp;", "<td ", ">", '"', "'",
])  # fmt: skip
attributes = st.builds(
    lambda name, quote, output: f"<a {name}={quote}{output}{quote}>x</a>",
    st.sampled_from(["href", "title", "style", "src", "onclick", "class"]),
    st.sampled_from(['"', "'", ""]),
    outputs,
)
rubbish = st.text(st.sampled_from("{}%|:'\"<>&;=/ \n\0ab\u2028é"), max_size=12)


def blocks(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    within = st.lists(inside, max_size=3).map("".join)
    return st.one_of(
        st.builds(lambda when, then: f"{{% if {when} %}}{then}{{% else %}}-{{% endif %}}", conditions, within),
        st.builds(lambda over, each: f"{{% for i in {over} %}}{{{{ i }}}}{each}{{% endfor %}}", names, within),
        st.builds(lambda name, text: f"{{% capture {name} %}}{text}{{% endcapture %}}", st.sampled_from("abx"), within),
        st.builds(lambda what, applied: f"{{% assign x = {what}{''.join(applied)} %}}{{{{ x }}}}", names, filters),
        within.map(lambda text: f"<span title='{text}'>{text}</span>"),
    )


pieces = st.recursive(st.one_of(outputs, outputs, html_pieces, attributes, rubbish), blocks, max_leaves=8)
sources = st.lists(pieces, min_size=1, max_size=5).map("".join)
scalars = st.one_of(
    st.sampled_from(ATTACKS), st.text(max_size=20), st.integers(), st.floats(), st.none(), st.booleans()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("ab0"), inner, max_size=3),
    max_leaves=8,
)


class Markup(HTMLParser):
    def __init__(self, document: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs)}


@settings(max_examples=300)
@given(sources, st.fixed_dictionaries({"a": values, "b": values, "c": values}))
@example("<p title='{{ a }}'>{{ b | newline_to_br }}</p>", {"a": "' onzq='1", "b": "<zq>", "c": None})
@example("{% for i in a %}<b>{{ i | append: b }}</b>{% endfor %}", {"a": ["<zq>"], "b": "<zq>", "c": None})
def test_any_source_renders_within_its_limits_or_says_why_not(source: str, variables: dict[str, object]) -> None:
    began = time.process_time()
    try:
        mail = compile_template(TemplateSource(subject=source, html=source, text=source)).render_email(variables)
    except TemplateError as error:
        assert error.code in CODES  # noqa: PT017 - a refusal is as good
    else:
        assert not {"zq", "onzq"} & Markup(mail.html).names
        assert len(mail.subject.splitlines()) <= 1
    assert time.process_time() - began < SECONDS


@settings(max_examples=100)
@given(sources, st.fixed_dictionaries({"a": values, "b": values, "c": values}))
def test_any_push_renders_within_its_limits_or_says_why_not(source: str, variables: dict[str, object]) -> None:
    try:
        push = compile_template(TemplateSource(title=source, body=source, link=source, image=source)).render_push(
            variables
        )
    except TemplateError as error:
        assert error.code in CODES  # noqa: PT017
    else:
        assert len(push.title.splitlines()) <= 1
        assert not push.image or push.image.startswith(("http://", "https://"))


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_any_text_whatever_is_a_template_or_says_why_not(source: str) -> None:
    try:
        compile_template(TemplateSource(html=source)).render_email({})
    except TemplateError as error:
        assert error.code in CODES  # noqa: PT017
