"""A saved template with snippets renders to the same as the original sources in python-liquid."""

import pytest
from liquid import DictLoader, Environment
from liquid.extra.tags.extends_tag import BlockTag, ExtendsTag

from template_service.authoring.snippets import MAX_DEPTH, MAX_RENDERS, Snippet, check_snippet, expand
from templating import TemplateError, TemplateSource, compile_template

VALUES = {
    "name": "Ada",
    "label": "of the caller",
    "vip": True,
    "item": "the caller's",
    "company": {"name": "Acme", "address": "1 Main Street"},
    "order": {
        "id": 7,
        "label": "L",
        "url": "https://e.com/7",
        "items": [{"name": "Pen", "tags": ["a", "b"]}, {"name": "Ink"}],
    },
}
SNIPPETS = {
    "footer": "-- {{ company.name }}, {{ company.address }}\n",
    "button": "[{{ label }}]({{ url }})",
    "guarded": "{% assign label = label | default: 'Open' %}[{{ label }}]",
    "sometimes": "{% if vip %}{% assign label = 'VIP' %}{% endif %}{{ label }}",
    "never": "{% if nothing %}{% assign label = 'VIP' %}{% endif %}{{ label }}",
    "captures": "{% capture text %}<{{ label }}>{% endcapture %}{{ text }}{{ text | size }}",
    "quoted": "{% capture 'label' %}q{% endcapture %}{{ label }}",
    "liquid": "{% liquid\n  assign twice = label | append: label\n  # label\n  if label\n    echo twice\n  endif\n%}",
    "loop": "{% for label in order.items limit: 2 %}{{ forloop.index }}{{ label.name }},{% endfor %}{{ label }}",
    "cycle": "{% for one in order.items %}{% cycle label: 'a', 'b' %}{% endfor %}",
    "words": "{{ order.label }}{{ order['label'] }}{{ order[label] }}{{ 'label' }}{{ label | replace: 'label', label }}",
    "range": "{% for n in (1..label) %}{{ n }}{% endfor %}",
    "case": "{% case label %}{% when 'x', label %}same{% else %}other{% endcase %}{% unless label == 'y' %}!{% endunless %}",
    "default": "{{ default | default: date }}{{ date | date: '%Y' }}",
    "asks": "{% if vip? %}{{ vip? | upcase }}{{ vip }}{% endif %}",
    "row": "{{ row.name }}{{ forloop.last }};",
    "thing": "{{ thing.name }} {{ note }};",
    "card": "({% render 'button', label: title, url: order.url %} {% render 'footer' %})",
    "counter": "{% increment n %}{% increment n %}{{ n }}",
    "spaces": "\n {%- if vip -%}\n  yes {{- ' ' -}}\n {%- endif -%} \n",
    "raw": "{%- raw -%} {{ label }} {%- endraw -%} !",
    "comment": "a{%- comment -%} {% render 'nothing' %} {%- endcomment %} b",
    "base": "<{% block head %}Head of {{ name }}{% endblock %}|{% block content %}{% endblock %}|{% render 'footer' %}>",
    "wide": "{% layout 'base' %}{% block content %}== {% block inner %}inner{% endblock %} =={% endblock %}",
    "branches": "{% if vip %}{% block vips %}V{% endblock %}{% else %}{% block others %}O{% endblock %}{% endif %}",
}
SAME = {
    "text alone": "Dear {{ name }},\n{% render 'footer' %}Bye",
    "two values": "{% render 'button', label: 'Pay', url: order.url %}",
    "a literal with commas and quotes": """{% render 'button', label: "it's, a: 'test'" , url: 'x,' %}""",
    "a value of the caller's": "{% render 'guarded' %}{{ label }}",
    "a value given": "{% render 'guarded', label: 'Given' %}{{ label }}",
    "a value that is not there": "{% render 'guarded', label: nothing %}",
    "assigned in a branch": "{% render 'sometimes' %}{% render 'never' %}{{ label }}",
    "captured": "{% render 'captures', label: 'x' %}",
    "in a liquid tag": "{% render 'liquid', label: name %}",
    "a loop of that name": "{% render 'loop', label: 'x' %}",
    "a cycle of that name": "{% render 'cycle', label: 'x' %}",
    "words that are no names": "{% render 'words', label: 'id' %}",
    "a name with a question mark": "{% render 'asks', vip?: name, vip: 'other' %}",
    "a range": "{% render 'range', label: 3 %}",
    "conditions": "{% render 'case', label: 'z' %}",
    "names of filters": "{% render 'default', date: '2026-03-05', default: nil %}",
    "each": "{% render 'row' for order.items %}",
    "each by another name": "{% render 'thing' for order.items as thing, note: name %}",
    "with": "{% render 'thing' with order.items[0], note: 'n' %}{% render 'thing' with order.items[1] as thing, note: 2 %}",
    "in a loop": "{% for item in order.items %}{% render 'button', label: item.name, url: forloop.index %}{% endfor %}",
    "nested": "{% render 'card', title: name %}{% render 'card', title: 'Other' %}",
    "whitespace of a snippet stays inside": "a {% render 'spaces' %} b",
    "whitespace beside a snippet": "a {%- render 'footer' -%} \n b {{- name -}} {% render 'footer' -%} c",
    "raw": "x {%- render 'raw' -%} y",
    "comments": "{% comment %}{% render 'nothing' %}{% endcomment %}{% render 'comment' %}",
    "a layout": "{% layout 'base' %}{% block content %}Dear {{ name }}{% endblock %}",
    "a layout's own": "{% layout 'base' %}{% block head %}{{ block.super }}!{% endblock head %}",
    "a layout of a layout": "{% layout 'wide' %}{% block inner %}x{% endblock %}{% block head %}y{% endblock %}",
    "a layout's block replaced": "{% layout 'wide' %}{% block content %}all{% endblock %}",
    "blocks in branches": "{% layout 'branches' %}{% block vips %}{{ block.super }}{{ block.super }}{% endblock %}",
    "snippets in blocks": "{% layout 'base' %}{% block content %}{% render 'card', title: 'T' %}{% endblock %}",
    "a layout as a snippet": "{% render 'base' %}",
}


def as_python_liquid(source: str, values: dict[str, object]) -> str:
    """python-liquid's own tags, on sources as they were written."""
    snippets = {name: text.replace("{% layout", "{% extends") for name, text in SNIPPETS.items()}
    environment = Environment(loader=DictLoader(snippets))
    environment.add_tag(ExtendsTag)
    environment.add_tag(BlockTag)
    return environment.from_string(source.replace("{% layout", "{% extends")).render(**values)


def library(sources: dict[str, str] = SNIPPETS) -> dict[str, Snippet]:
    return {name: Snippet(name, 1, source) for name, source in sources.items()}


def expanded(source: str, sources: dict[str, str] = SNIPPETS) -> str:
    return expand({"text": source}, library(sources)).parts["text"]


def rendered(source: str, values: dict[str, object] = VALUES) -> str:
    return compile_template(TemplateSource(subject="s", text=expanded(source))).render_email(values).text


@pytest.mark.parametrize("source", SAME.values(), ids=SAME)
def test_what_is_saved_renders_as_python_liquid_renders_the_sources(source: str) -> None:
    assert rendered(source) == as_python_liquid(source, VALUES)


def test_counters_of_a_snippet_begin_anew() -> None:
    assert rendered("{% render 'counter' %}|{% render 'counter' %}") == "012|012"


def test_a_captured_name_in_quotes_is_the_snippets_own() -> None:
    assert rendered("{% render 'quoted', label: 'y' %}{{ label }}") == "qof the caller"


@pytest.mark.parametrize("name", SNIPPETS)
def test_each_of_these_snippets_can_be_saved(name: str) -> None:
    check_snippet(library()[name], library())


def test_text_outside_of_blocks_is_the_content() -> None:
    assert rendered("{% layout 'base' %}\n{% # a note %}\nDear {{ name }}\n").startswith("<Head of Ada|")
    assert "|Dear Ada|" in rendered("{% comment %}first{% endcomment %}{% layout 'base' %}\n\nDear {{ name }}\n")
    mixed = "{% layout 'base' %} {% block head %}H{% endblock %} Dear {{ name }} "
    assert rendered(mixed) == "<H|Dear Ada|-- Acme, 1 Main Street\n>"
    only_comments = "{% layout 'base' %}{% # x %}{% block content %}y{% endblock %}{% comment %}z{% endcomment %}"
    assert "|y|" in rendered(only_comments)


@pytest.mark.parametrize(
    ("source", "required"),
    [
        ("{% render 'footer' %}", ("company.address", "company.name")),
        ("{% render 'button', label: 'Pay', url: order.url %}", ("order.url",)),
        ("{% render 'button', url: 'x' %}", ("label",)),
        ("{% render 'guarded' %}", ()),
        ("{% render 'guarded', label: name %}", ()),
        ("{% render 'row' for order.items %}", ("order.items",)),
        ("{% layout 'base' %}Hi", ("company.address", "company.name", "name")),
    ],
)
def test_variables_of_snippets_are_required_like_the_templates_own(source: str, required: tuple[str, ...]) -> None:
    assert compile_template(TemplateSource(subject="s", text=expanded(source))).required() == required


def test_values_are_escaped_and_markup_stays_markup() -> None:
    snippets = {"button": '<a href="{{ url }}" title="{{ label }}">{{ label }}</a>', "bold": "{{ text }}"}
    source = "{% render 'button', url: link, label: name %}{% render 'bold', text: '<b>x</b>' %}"
    html = expand({"html": source}, library(snippets)).parts["html"]
    values = {"link": "javascript:alert(1)", "name": '"<i>'}
    done = compile_template(TemplateSource(subject="s", html=html)).render_email(values).html
    assert done == '<a href="#" title="&#34;&lt;i&gt;">&#34;&lt;i&gt;</a><b>x</b>'


REFUSED = {
    "{% render 'unknown' %}": "there is no snippet 'unknown'",
    "{% layout 'unknown' %}x": "there is no snippet 'unknown'",
    "{% render name %}": "in quotes",
    "{% render 'a' %}": "the snippet 'a' contains itself: a → b → a",
    "{% layout 'self' %}x": "'self' is its own layout: self → self",
    "{% layout 'over' %}x": "the layout 'over' is its own layout: over → under → over",
    "{% render 'over' %}": "the snippet 'over' contains itself: over → under → over",
    "{% render 'framed' %}": "the snippet 'framed' contains itself: framed → frame → framed",
    "{% layout 'frame' %}x": "the snippet 'frame' contains itself: frame → framed → frame",
    "{% render 'self' %}": "'self' contains itself",
    "{% render 'twice' %}": "two blocks 'a'",
    "{% for label in order.items %}{% render 'uses' %}{% endfor %}": "{% render 'uses', label: label %}",
    "{% assign label = 1 %}{% render 'uses' %}": "{% render 'uses', label: label %}",
    "{% for x in order.items %}{% render 'index' %}{% endfor %}": "'forloop'",
    "{% render 'outer' for order.items %}": "the snippet 'index' uses 'forloop'",
    "{% render 'wrap', label: 1 %}": "snippet 'wrap': the snippet 'uses' uses 'label'",
    "{% render 'keyword' %}": "'limit' cannot be a name in a snippet",
    "{% render 'strange' %}": "'a#b' cannot be a name in a snippet",
    "{% render 'brackets', label: 1 %}": "write label instead of ['label']",
    "{% layout 'base' %}{% block nothing %}{% endblock %}": "has no block 'nothing'; it has: content, head",
    "{% layout 'base' %}x{% block content %}{% endblock %}": "outside of the blocks",
    "{% layout 'plain' %}x": "has no block 'content'; it has: none",
    "{% layout 'strict' %}": "the block 'content' of the layout must be filled",
    "x{% layout 'base' %}": "line 1: {% layout %} comes first",
    "{% layout 'base' %}{% layout 'base' %}": "comes first, and once",
    "\n\n{% block a %}": "line 3: a 'block' tag has no 'endblock'",
    "{% endblock %}": "without a 'block'",
    "{% block a %}{% endblock b %}": "line 1: expected endblock",
    "{% block a %}{% if x %}{% endblock %}{% endif %}": "overlap",
    "{% layout 'base' %}{% if x %}{% block head %}{% endblock %}{% endif %}": "cannot be inside another tag",
    "{% layout 'loops' %}{% block a %}{% block b %}{{ block.super }}{% endblock %}{% endblock %}": "contains itself",
    "\n{% render 'footer' x %}": "line 2:",
    "\n{% render 'footer' %}{{ x | nofilter }}": "line 2: the filter 'nofilter'",
    "{% liquid\n render 'footer'\n%}{% render 'footer' %}": "render",
    "{% include 'footer' %}{% render 'footer' %}": "the tag 'include' is not available",
    "".join(f"{{% block b{n} %}}" for n in range(900)) + "{% endblock %}" * 900: "blocks in one another",
    "{% render 'deep0' %}": f"more than {MAX_DEPTH} snippets in one another",
    "{% render 'many' %}" * 11: f"more than {MAX_RENDERS} snippets",
    "{% render 'large' %}" * 9: "too large",
}
BAD = {
    **SNIPPETS,
    "a": "{% render 'b' %}",
    "b": "{% render 'a' %}",
    "self": "{% layout 'self' %}x",
    "over": "{% layout 'under' %}x",
    "under": "{% layout 'over' %}x",
    "frame": "{% block content %}{% endblock %}{% render 'framed' %}",
    "framed": "{% layout 'frame' %}x",
    "twice": "{% block a %}{% endblock %}{% block a %}{% endblock %}",
    "uses": "{{ label }}",
    "wrap": "{% render 'uses' %}",
    "index": "{{ forloop.index }}",
    "outer": "{% render 'index' %}",
    "keyword": "{% assign limit = 1 %}{{ limit }}",
    "brackets": "{{ ['label'] }}",
    "strange": "{% capture 'a#b' %}{% endcapture %}",
    "plain": "x",
    "strict": "{% block content required %}{% endblock %}",
    "loops": "{% block b %}{% block a %}{% endblock %}{% endblock %}",
    "many": "{% render 'plain' %}" * 10,
    "large": "x" * 200_000,
    **{f"deep{n}": f"{{% render 'deep{n + 1}' %}}" for n in range(10)},
}


@pytest.mark.parametrize(("source", "problem"), REFUSED.items())
def test_what_cannot_work_is_refused_with_a_reason(source: str, problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        expanded(source, BAD)
    assert problem in caught.value.message
    assert caught.value.field == "text"


@pytest.mark.parametrize(
    ("sources", "what"),
    [
        ({f"s{n}": f"{{% render 's{n + 1}' %}}" * 40 for n in range(MAX_DEPTH)}, "renders"),
        ({"s0": "{% layout 's1' %}" + "{% block a %}" + "{{ block.super }}" * 900 + "{% endblock %}",
          **{f"s{n}": f"{{% layout 's{n + 1}' %}}{{% block a %}}{'{{ block.super }}' * 900}{{% endblock %}}"
             for n in range(1, 4)}, "s4": "{% block a %}xx{% endblock %}"}, "supers"),
    ],
)  # fmt: skip
def test_work_that_multiplies_is_stopped(sources: dict[str, str], what: str) -> None:
    with pytest.raises(TemplateError) as caught:
        expanded("{% render 's0' %}", sources)
    assert caught.value.code == "template_limit", what


def test_a_source_without_snippets_stays_as_it_is() -> None:
    assert expand({"text": "a {%- if x -%} b {% endif %}"}, {}).parts == {}
