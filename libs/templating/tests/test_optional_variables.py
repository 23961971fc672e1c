"""What a template asks about itself, anywhere, a caller may leave out."""

import pytest

from templating import MissingVariables, TemplateSource, compile_template

GUARDS = [
    "{% if a %}{{ a }}{% endif %}",
    "{% if a %}x{% endif %} {{ a }}",
    "{{ a }} {% if a %}x{% endif %}",
    "{% if a != blank %}{{ a }}{% endif %}",
    "{% if a == blank %}x{% else %}{{ a }}{% endif %}",
    "{% if a != nil %}{{ a }}{% endif %}",
    "{% if a == nil %}x{% else %}{{ a }}{% endif %}",
    "{% if nil != a %}{{ a }}{% endif %}",
    "{% if a != empty %}{{ a }}{% endif %}",
    "{% if a != '' %}{{ a }}{% endif %}",
    "{% if a == true %}{{ a }}{% endif %}",
    "{% if a == 'x' %}{{ a }}{% endif %}",
    "{% if a > 0 %}{{ a }}{% endif %}",
    "{% if a.size > 0 %}{{ a }}{% endif %}",
    "{% if a.size > 0 %}{% for i in a %}{{ i }}{% endfor %}{% endif %}",
    "{% if a.first %}{{ a.first.name }}{% endif %}",
    "{% if a[0] %}{{ a[0].name }}{% endif %}",
    "{% if a contains 'x' %}{{ a }}{% endif %}",
    "{% if 'xyz' contains a %}{{ a }}{% endif %}",
    "{% if a and b %}{{ a }}{{ b }}{% endif %}",
    "{% if a or b %}{{ a }}{{ b }}{% endif %}",
    "{% if a == 1 or b != 2 and c %}{{ a }}{{ b }}{{ c }}{% endif %}",
    "{% if a %}{{ a }}{% elsif b %}{{ b }}{% elsif c == 1 %}{{ c }}{% else %}{{ a }}{% endif %}",
    "{% if a %}x{% else %}{{ a }}{% endif %}",
    "{% if a == b %}{{ a }}{{ b }}{% endif %}",
    "{% unless a %}x{% else %}{{ a }}{% endunless %}",
    "{% unless a %}{{ a }}{% endunless %}",
    "{% unless a == blank %}{{ a }}{% endunless %}",
    "{% unless a %}x{% elsif b %}{{ b }}{% endunless %}{{ a }}",
    "{% case a %}{% when 'x' %}{{ a }}{% else %}{{ a }}{% endcase %}",
    "{% case 1 %}{% when a, b or c %}{{ a }}{{ b }}{{ c }}{% endcase %}",
    "{% for i in a %}{{ i }}{% else %}none{% endfor %}",
    "{% for i in a %}{{ i }}{% else %}none{% endfor %}{{ a }}",
    "{% for i in a.items %}{{ i }}{% else %}none{% endfor %}{{ a.items.size }}",
    "{% for i in a limit: 3 %}{{ i }}{% else %}none{% endfor %}",
    "{{ a | default: 'x' }}",
    "{{ a | default: 'x' }}{{ a }}",
    "{{ a }}{% comment %}{% endcomment %}{{ a | default: nil }}",
    "{{ a | capitalize | default: 'x' }}",
    "{{ a | upcase | append: b | default: 'x' }}",
    "{{ a | default: b | default: 'x' }}",
    "{{ a | default: 'x' | upcase }}",
    "{{ a | date: '%Y' | default: 'x' }}",
    "{{ a | default: false, allow_false: true }}",
    "{{ a | join: ', ' | default: 'x' }}",
    "{% echo a | default: 'x' %}",
    "{% liquid\nif a\necho a\nendif\n%}",
    "{% assign x = a | default: 'y' %}{{ x }}",
    "{% assign x = a %}{{ x | default: 'y' }}",
    "{% assign x = a %}{% if x %}{{ x }}{% endif %}",
    "{% assign x = a | append: b %}{% if x != blank %}{{ x }}{% endif %}",
    "{% assign x = a %}{% assign y = x %}{{ y | default: 'z' }}",
    "{% assign a = a | default: 'y' %}{{ a }}",
    "{% assign n = a | size %}{% if n > 0 %}{{ a }}{% endif %}",
    "{% assign n = a.size %}{% unless n == 0 %}{{ a }}{% endunless %}",
    "{% if a == blank %}{% assign a = 'y' %}{% endif %}{{ a }}",
    "{% unless a %}{% assign a = 'y' %}{% endunless %}{{ a }}",
    "{% capture x %}{{ a }}{% endcapture %}{{ x | default: 'y' }}",
    "{% capture x %}{{ a }} {{ b }}{% endcapture %}{% if x != blank %}{{ x }}{% endif %}",
    "{% capture x %}{{ a }}{% endcapture %}{% assign y = x | strip %}{% unless y == '' %}{{ y }}{% endunless %}",
    "{% if a %}{{ a.name }}{% endif %}",
    "{% if a.name %}{{ a.name }}{% endif %}",
    "{% if a.name != blank %}{{ a.name.first_name }}{% endif %}",
    "{% if a['name'] %}{{ a.name }}{% endif %}",
    "{{ a.name | default: 'x' }}",
    "{% if a[b] %}{{ a[b] }}{% endif %}",
    "{% ifchanged %}{% if a %}{{ a }}{% endif %}{% endifchanged %}",
    "{% for i in (1..2) %}{% if a %}{{ a }}{% endif %}{% endfor %}",
    "{% tablerow i in (1..2) %}{{ a | default: i }}{% endtablerow %}",
]


@pytest.mark.parametrize("source", GUARDS)
def test_what_is_asked_about_is_not_required(source):
    template = compile_template(TemplateSource(html=source, text=source))
    assert template.missing({}) == ()
    template.render_email({})


def test_a_question_in_one_part_counts_in_all_of_them():
    template = compile_template(TemplateSource(subject="For {{ name }}", html="{% if name %}{{ name }}{% endif %}"))
    assert template.render_email({}).subject == "For"


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("{{ a }}{% if b %}{% endif %}", ("a",)),
        ("{{ a.name }}{% if a.email %}{% endif %}", ("a.name",)),
        ("{% for i in a %}{% if i %}{{ i }}{% endif %}{% endfor %}", ("a",)),
        ("{% for a in b %}{% if a %}{% endif %}{% endfor %}{{ a }}", ("a", "b")),
        ("{% assign x = a %}{{ x }}", ("a",)),
        ("{% assign x = 1 %}{% if x %}{% endif %}{{ a }}", ("a",)),
        ("{% capture x %}{{ a }}{% endcapture %}{{ x }}", ("a",)),
        ("{{ 'x' | default: a }}", ("a",)),
        ("{{ a | default: 'x' | append: b }}", ("b",)),
        ("{{ a | append: 'default' }}", ("a",)),
        ("{% raw %}{% if a %}{% endif %}{% endraw %}{{ a }}", ("a",)),
        ("{% comment %}{% if a %}{% endif %}{% endcomment %}{{ a }}", ("a",)),
    ],
)
def test_a_variable_that_is_not_tested_stays_required(source, needed):
    template = compile_template(TemplateSource(text=source))
    assert template.missing({}) == needed
    with pytest.raises(MissingVariables):
        template.render_email({})
