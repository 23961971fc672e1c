"""What a template gives for each channel."""

import pytest

from templating import RenderedEmail, RenderedPush, TemplateError, TemplateSource, compile_template


def test_one_template_serves_both_channels():
    template = compile_template(
        TemplateSource(
            subject="Order {{ order.id }}",
            html="<p>Hello {{ name }}</p>",
            text="Hello {{ name }}",
            title="Order {{ order.id }}",
            body="Shipped to {{ name }}",
            image="https://cdn.example/{{ order.id }}.png",
            link="https://shop.example/orders/{{ order.id }}",
        )
    )
    variables = {"name": "Ada & Bob", "order": {"id": 7}}
    assert template.serves_email
    assert template.serves_push
    assert template.render_email(variables) == RenderedEmail("Order 7", "<p>Hello Ada &amp; Bob</p>", "Hello Ada & Bob")
    assert template.render_push(variables) == RenderedPush(
        "Order 7", "Shipped to Ada & Bob", "https://cdn.example/7.png", "https://shop.example/orders/7"
    )


def test_a_template_with_only_text_has_no_html():
    assert compile_template(TemplateSource(text="Hi {{ name }}")).render_email({"name": "<Ada>"}) == RenderedEmail(
        "", "", "Hi <Ada>"
    )


@pytest.mark.parametrize(
    ("source", "email", "push"),
    [
        (TemplateSource(html="x"), True, True),
        (TemplateSource(text="x"), True, True),
        (TemplateSource(title="x"), False, True),
        (TemplateSource(body="x"), False, True),
    ],
)
def test_a_template_serves_the_channels_that_it_has_content_for(source, email, push):
    template = compile_template(source)
    assert (template.serves_email, template.serves_push) == (email, push)


def test_rendering_for_a_channel_that_is_not_served_says_so():
    with pytest.raises(TemplateError) as email:
        compile_template(TemplateSource(body="x")).render_email({})
    assert email.value.code == "channel_not_served"


@pytest.mark.parametrize("source", [TemplateSource(), TemplateSource(subject="x"), TemplateSource(link="https://a.b")])
def test_a_template_without_content_is_refused(source):
    with pytest.raises(TemplateError) as refused:
        compile_template(source)
    assert refused.value.code == "template_empty"


@pytest.mark.parametrize("field", ["subject", "html", "text", "title", "body", "image", "link"])
def test_a_syntax_error_names_its_part(field):
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(**{"text": "x", field: "Hello {{ name"}))
    assert (refused.value.code, refused.value.field) == ("template_syntax", field)
    assert field in str(refused.value)


def test_a_failure_while_rendering_names_its_part_and_no_value():
    for source in ("{{ a | where: 1 }}", "{{ 1 | divided_by: a }}", "{{ a | slice: a }}", "{% if a > 1 %}{% endif %}"):
        with pytest.raises(TemplateError) as failed:
            compile_template(TemplateSource(text=source)).render_email({"a": "secret"})
        assert (failed.value.code, failed.value.field) == ("template_render", "text")
        assert "secret" not in str(failed.value)
        assert failed.value.__suppress_context__


def test_branches_loops_and_filters_work():
    template = compile_template(
        TemplateSource(
            text="{% if vip %}Dear{% else %}Hi{% endif %} {{ name | capitalize }}:"
            "{% for item in items %} {{ forloop.index }}={{ item.title }}{% endfor %}"
            "{% case state %}{% when 'new' %} fresh{% else %} old{% endcase %}"
            "{% assign total = 3 | times: 4 %} {{ total }}"
            "{% capture both %}{{ name }}!{% endcapture %} {{ both }}{% comment %} not this {% endcomment %}"
        )
    )
    variables = {"vip": True, "name": "ada", "items": [{"title": "a"}, {"title": "b"}], "state": "new"}
    assert template.render_email(variables).text == "Dear Ada: 1=a 2=b fresh 12 ada!"


def test_names_mean_the_callers_variables_and_nothing_else():
    template = compile_template(TemplateSource(text="{{ now }} {{ today }} {{ partial }} {{ x | upcase }}"))
    assert template.required() == ("now", "partial", "today", "x")
    variables = {"now": "a", "today": "b", "partial": "c", "x": "d"}
    assert template.render_email(variables).text == "a b c D"
    absent = "{{ now | default: '-' }}{{ today | default: '-' }}{{ partial | default: '-' }}"
    assert compile_template(TemplateSource(text=absent)).render_email({}).text == "---"


@pytest.mark.parametrize("value", ["{{ a }}", "{{ a | append: '' }}", "{% capture b %}{{ a }}{% endcapture %}{{ b }}"])
def test_line_ends_come_out_as_they_went_in(value):
    assert (
        compile_template(TemplateSource(text=value + "\r\n\r")).render_email({"a": "x\r\ny\rz"}).text
        == "x\r\ny\rz\r\n\r"
    )


def test_a_part_that_renders_to_invalid_unicode_is_an_error_of_ours():
    for source in ("{{ a }}", "{{ a | upcase }}"):
        with pytest.raises(TemplateError) as failed:
            compile_template(TemplateSource(text=source)).render_email({"a": "\ud800"})
        assert failed.value.code == "template_render"


@pytest.mark.parametrize("source", ["{{ a }}", "{{ a | append: '' }}"])
def test_nul_never_reaches_a_transport(source):
    template = compile_template(TemplateSource(html=f"<b>{source}</b>", text=source, body=source))
    variables = {"a": "x\0y"}
    mail, push = template.render_email(variables), template.render_push(variables)
    assert (mail.html, mail.text, push.body) == ("<b>xy</b>", "xy", "xy")
    assert compile_template(TemplateSource(html=source)).render_email(variables).html == "<p>xy</p>"
