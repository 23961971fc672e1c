"""Every source, however broken, is either assembled or refused with a reason."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from template_service.authoring.snippets import Snippet, check_snippet, expand
from templating import TemplateError, TemplateSource, compile_template

SNIPPETS = {
    "footer": "-- {{ company.name }}\n",
    "row": "{{ row.name }}{{ forloop.last }};",
    "loop": "{% for label in order.items limit: 2 %}{{ forloop.index }}{{ label.name }}{% endfor %}{{ label }}",
    "base": "<{% block a %}{{ name }}{% endblock %}|{% block content %}{% endblock %}|{% render 'footer' %}>",
}
PIECES = [
    "{% layout 'base' %}",
    "{% layout x %}",
    "{% block content %}",
    "{% block a required %}",
    "{% block %}",
    "{% endblock %}",
    "{% endblock a %}",
    "{{ block.super }}",
    "{% render 'card', title: name %}",
    "{% render 'row' for order.items %}",
    "{% render",
    "{% render 'loop', label: ",
    "'x'",
    " %}",
    "{% render 'footer' with a.b as c, d: (1..3) -%}",
    "{%- if a -%}",
    "{% endif %}",
    "{% for label in order.items %}",
    "{% endfor %}",
    "{% liquid\nassign label = 1\nrender 'footer' %}",
    "{% raw %}",
    "{% endraw %}",
    "{% comment %}",
    "{% endcomment %}",
    "{% # x -%}",
    "{% capture 'a b' %}",
    "{% endcapture %}",
    "{{ label }}",
    "{{- label -}}",
    "text",
    " ",
    "\n",
    "{{",
    "}}",
    "%}",
    "'",
    "{{-}}",
    "{%-%}",
    "{% assign label = label | default: 'x' %}",
    "{{ ['label'] }}",
]


sources = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
)
@settings(deadline=None, max_examples=400)
def test_whatever_is_written_it_is_put_together_or_refused(source: str, snippet: str) -> None:
    own = {name: Snippet(name, 1, text) for name, text in {**SNIPPETS, "card": snippet}.items()}
    with contextlib.suppress(TemplateError):
        check_snippet(own["card"], own)
    with contextlib.suppress(TemplateError):
        compile_template(TemplateSource(subject="s", **expand({"html": source}, own).parts)).required()
