"""A template lists the variables that it needs; what is missing is named, all of it."""

import pytest

from templating import MissingVariables, TemplateError, TemplateSource, compile_template


def required(text: str) -> set[str]:
    return set(compile_template(TemplateSource(text=text)).required())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Hello", set()),
        ("{{ name }} {{ order.id }} {{ name }}", {"name", "order.id"}),
        ("{{ name | upcase }}", {"name"}),
        ("{{ name | default: 'friend' }}", set()),
        ("{{ name | default: nickname }}", {"nickname"}),
        ("{{ name | upcase | default: 'friend' }}", set()),
        ("{{ a | append: b }}", {"a", "b"}),
        ("{% if vip %}x{% endif %}", set()),
        ("{% if vip and age > 3 %}x{% elsif other %}y{% endif %}", set()),
        ("{% if name %}{{ name }}{% endif %}", set()),
        ("{% if user %}{{ user.name }}{% endif %}", set()),
        ("{% if a and b %}{{ a }}{{ b }}{% endif %}", set()),
        ("{% if a or b %}{{ a }}{% endif %}", set()),
        ("{% if name %}x{% else %}{{ name }}{% endif %}", set()),
        ("{% if name %}x{% endif %}{{ name }}", set()),
        ("{% if vip %}{{ name }}{% endif %}", {"name"}),
        ("{% if user.name %}{{ user.email }}{% endif %}", {"user.email"}),
        ("{{ name }}{{ other | default: 'x' }}", {"name"}),
        ("{% if a %}{% assign b = c %}{% endif %}{{ b }}", {"c"}),
        ("{% for i in items %}{% if i.x %}{{ i.x }}{% endif %}{% endfor %}", {"items"}),
        ("{% for i in items %}{% if i %}{% endif %}{% endfor %}{{ i }}", {"items", "i"}),
        ("{{ a | default: b | upcase }}", {"b"}),
        ("{{ a | default: 'x' | append: b }}", {"b"}),
        ("{% tablerow i in items cols: n %}{{ i }}{{ tablerowloop.col }}{% endtablerow %}", {"items", "n"}),
        ("{% cycle a, b %}{% echo c %}{% liquid echo d %}{% ifchanged %}{{ e }}{% endifchanged %}", {*"abcde"}),
        ("{% increment n %}{{ n }}{% decrement m %}{{ m }}", set()),
        ("{% unless name %}x{% else %}{{ name }}{% endunless %}", set()),
        ("{% unless name %}{{ name }}{% endunless %}", set()),
        ("{% case state %}{% when 'a' %}{{ x }}{% else %}{{ y }}{% endcase %}", {"x", "y"}),
        ("{% for item in items %}{{ item.a }}{{ forloop.index }}{{ shop }}{% endfor %}", {"items", "shop"}),
        ("{% for i in (1..3) %}{{ i }}{% endfor %}", set()),
        ("{% for i in (1..n) limit: m %}{{ i }}{% endfor %}", {"n", "m"}),
        ("{% for i in items %}x{% endfor %}{{ i }}", {"items", "i"}),
        ("{% assign x = name | upcase %}{{ x }}", {"name"}),
        ("{{ x }}{% assign x = 1 %}", {"x"}),
        ("{% capture x %}{{ name }}{% endcapture %}{{ x }}", {"name"}),
        ("{{ items[0].name }} {{ items.size }} {{ items.first.name }}", {"items"}),
        ("{{ prices[currency] }}", {"prices", "currency"}),
        ('{{ user["name"] }}', {"user.name"}),
        ('{{ user["a.b"] }}', {"user"}),
    ],
)
def test_required_names(text, names):
    assert required(text) == names


def test_every_missing_variable_is_named_and_null_counts_as_missing():
    template = compile_template(TemplateSource(subject="{{ b }}", html="{{ order.id }} {{ order.total }} {{ a }}"))
    variables = {"a": "here", "b": None, "order": {"total": 0}}
    assert template.missing(variables) == ("b", "order.id")
    with pytest.raises(MissingVariables) as missing:
        template.render_email(variables)
    assert missing.value.names == ("b", "order.id")
    assert (missing.value.code, missing.value.field) == ("missing_variables", "")
    assert isinstance(missing.value, TemplateError)
    assert "order.id" in missing.value.message


@pytest.mark.parametrize("order", [None, "text", 3, [], [{"id": 1}], {}])
def test_a_nested_variable_is_missing_whatever_stands_in_its_place(order):
    assert compile_template(TemplateSource(text="{{ order.id }}")).missing({"order": order}) == ("order.id",)


@pytest.mark.parametrize("value", ["", 0, False, [], {}])
def test_an_empty_value_is_not_missing(value):
    assert compile_template(TemplateSource(text="{{ a }}")).missing({"a": value}) == ()


def test_a_channel_does_not_need_the_other_channels_variables():
    template = compile_template(TemplateSource(text="{{ a }}", body="{{ b }}"))
    assert template.missing({}) == template.required() == ("a", "b")
    assert template.missing({}, ["email"]) == template.required(["email"]) == ("a",)
    assert template.missing({}, ["push"]) == template.required(["push"]) == ("b",)
    assert template.render_email({"a": "x"}).text == "x"
    assert template.render_push({"b": "y"}).body == "y"
