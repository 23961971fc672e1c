"""Mails whose header, footer and buttons are moved into a layout and snippets stay the same, byte for byte."""

import pytest

from template_service.authoring.snippets import Snippet, expand
from templating import TemplateSource, compile_template

HEAD = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{title}</title>
  <style>
    body {{ font-family: sans-serif }}
    @media (max-width: 600px) {{ .wide {{ width: 100% !important }} }}
  </style>
</head>
<body>
<table role="presentation" class="wide"><tr><td>
  <img src="https://cdn.example.com/logo.png" alt="{{{{ company.name }}}}">
</td></tr></table>
"""
FOOT = """
<!--[if mso]><hr><![endif]-->
<p>{{ company.name }}, {{ company.address }}{% if company.vat %} · VAT {{ company.vat }}{% endif %}</p>
{%- if unsubscribe %}
<p><a href="{{ unsubscribe }}">Unsubscribe</a></p>
{%- endif %}
</body>
</html>
"""
BUTTON = '<a class="button" href="{link}" style="background: {{{{ brand | default: "#06c" }}}}">{label}</a>\n'


def head(title: str) -> str:
    return HEAD.format(title=title)


def button(link: str, label: str) -> str:
    return BUTTON.format(link=f"{{{{ {link} }}}}", label=label)


RESET = ("  <h1>Hello {{ user.name }}</h1>\n", "  <p>It works for {{ hours }} hours.</p>")
WHOLE = {
    "reset": head("Set a new password") + RESET[0] + button("links.reset", "Set a new password") + RESET[1] + FOOT,
    "receipt": head("Your receipt, no. {{ order.id }}")
    + "  <table>{% for item in order.items %}\n    <tr><td>{{ item.name }}</td><td>{{ item.price | round: 2 }}</td></tr>"
    + "{% else %}<tr><td>nothing</td></tr>{% endfor %}\n  </table>"
    + FOOT,
    "welcome": head("Welcome")
    + "  <p>Welcome{% if user.name %}, {{ user.name }}{% endif %}.</p>\n  "
    + button("links.start", "Begin")
    + "  "
    + button("links.docs", "Read <b>more</b>")
    + FOOT,
}
FACTORED = {
    "reset": "{% layout 'base' %}{% block title %}Set a new password{% endblock %}{% block content %}"
    + RESET[0]
    + "{% render 'button', link: links.reset, label: 'Set a new password' %}"
    + RESET[1]
    + "{% endblock %}",
    "receipt": "{% layout 'base' %}\n{% block title %}Your receipt, no. {{ order.id }}{% endblock %}\n"
    "{% block content %}  <table>{% for item in order.items %}\n    {% render 'row', item: item %}"
    "{% else %}<tr><td>nothing</td></tr>{% endfor %}\n  </table>{% endblock %}",
    "welcome": "{% layout 'base' %}{% block title %}Welcome{% endblock %}{% block content %}"
    "  <p>Welcome{% if user.name %}, {{ user.name }}{% endif %}.</p>\n  "
    "{% render 'button', link: links.start, label: 'Begin' %}"
    "  {% render 'button', link: links.docs, label: 'Read <b>more</b>' %}{% endblock %}",
}
SNIPPETS = {
    "base": head("{% block title %}{% endblock %}") + "{% block content %}{% endblock %}{% render 'foot' %}",
    "foot": FOOT,
    "button": button("link", "{{ label }}"),
    "row": "<tr><td>{{ item.name }}</td><td>{{ item.price | round: 2 }}</td></tr>",
}
EVERYTHING = {
    "company": {"name": "Acme & <Co>", "address": "1 Main Street", "vat": "XY1"},
    "unsubscribe": "https://example.com/u?a=1&b=2",
    "brand": "#f00",
    "user": {"name": '"Ada"'},
    "hours": 2,
    "links": {"reset": "https://example.com/r", "start": "javascript:x", "docs": "https://example.com/d"},
    "order": {"id": "<7>", "items": [{"name": "Pen", "price": 1.005}, {"name": "Ink", "price": 3}]},
}
LITTLE = {**EVERYTHING, "company": {"name": "A", "address": "B", "vat": None}, "unsubscribe": None, "brand": None}
NOTHING_BOUGHT = {**EVERYTHING, "order": {"id": 1, "items": []}, "user": {"name": ""}}


@pytest.mark.parametrize("mail", WHOLE)
@pytest.mark.parametrize("values", [EVERYTHING, LITTLE, NOTHING_BOUGHT], ids=["everything", "little", "empty"])
def test_a_factored_mail_is_the_mail_byte_for_byte(mail: str, values: dict[str, object]) -> None:
    library = {name: Snippet(name, 1, source) for name, source in SNIPPETS.items()}
    html = expand({"html": FACTORED[mail]}, library).parts["html"]
    whole = compile_template(TemplateSource(subject="s", html=WHOLE[mail]))
    factored = compile_template(TemplateSource(subject="s", html=html))
    assert factored.render_email(values) == whole.render_email(values)
    assert factored.required() == whole.required()
