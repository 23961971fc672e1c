"""A filter call that can never work is refused when the template is saved, with its name and position."""

import pytest

from templating import TemplateError, TemplateSource, compile_template


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("a | date: format: 'x'", "the filter 'date' takes no argument named 'format'"),
        ("a | date", "the filter 'date' takes 1 argument, and is given 0"),
        ("a | date: '%Y', 'UTC'", "the filter 'date' takes 1 argument, and is given 2"),
        ("a | upcase: 1", "the filter 'upcase' takes no arguments, and is given 1"),
        ("a | replace", "the filter 'replace' takes 1 to 2 arguments, and is given 0"),
        ("a | truncate: 1, '', 3", "the filter 'truncate' takes 0 to 2 arguments, and is given 3"),
        ("a | default: 1, allow_flase: true", "the filter 'default' takes no argument named 'allow_flase'"),
        ("a | upper", "the filter 'upper' is not available"),
        ("a | append: b | nosuch: c", "the filter 'nosuch' is not available"),
        ("a | truncate: 'many'", "the filter 'truncate' cannot take these arguments: expected a whole number"),
        ("a | slice: 1.5", "the filter 'slice' cannot take these arguments: expected a whole number"),
        ("a | divided_by: 0", "the filter 'divided_by' cannot take these arguments: divided by 0"),
        ("a | modulo: 0", "the filter 'modulo' cannot take these arguments: divided by 0"),
        ("a | concat: 'x'", "the filter 'concat' cannot take these arguments: concat needs a list"),
    ],
)
def test_a_call_that_can_never_work_is_refused_on_save(call, complaint):
    for source in (f"\n\n{{{{ {call} }}}}", f"\n\n{{% assign x = {call} %}}", f"\n\n{{% echo {call} %}}"):
        for part in ("html", "text", "subject", "body"):
            with pytest.raises(TemplateError) as refused:
                compile_template(TemplateSource(**{"text": "x", part: source}))
            assert (refused.value.code, refused.value.field) == ("template_syntax", part)
            assert refused.value.message == f"line 3: {complaint}"


def test_also_where_nothing_is_rendered_without_variables():
    with pytest.raises(TemplateError) as refused:
        compile_template(
            TemplateSource(text="{% if a %}{% for i in b %}\r\n{{ i | upcase: 1 }}{% endfor %}{% endif %}")
        )
    assert refused.value.message.startswith("line 2: the filter 'upcase'")


@pytest.mark.parametrize(
    "call", ["a | divided_by: b", "a | concat: b", "a | round: nil", "a | truncate: b, c", "a | default: false"]
)
def test_a_call_that_may_work_is_not_refused(call):
    compile_template(TemplateSource(text=f"{{{{ {call} }}}}"))


def test_every_syntax_error_names_its_line():
    for source in ("\n{% if %}{% endif %}", "\n{{ a | }}", "\n{% for i of a %}{% endfor %}", "\n{% endif %}"):
        with pytest.raises(TemplateError) as refused:
            compile_template(TemplateSource(text=source))
        assert refused.value.message.startswith("line 2: ")
