"""Push parts are plain text, and their URLs lead to the web or nowhere. (Abuse case 17.)"""

import pytest

from templating import TemplateError, TemplateSource, compile_template


def link(source: str, value: object = "") -> str:
    return compile_template(TemplateSource(body="x", link=source)).render_push({"v": value}).link


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "myapp://open",
        "//evil.example",
        "/path",
        "https://",
        "https:///x",
        "https:x",
        "http://a b/",
        "https://a.b\\@evil.example",
        "http://[::1",
        "",
    ],
)
def test_a_value_that_is_not_a_web_address_becomes_no_link(value):
    assert link("{{ v }}", value) == ""


@pytest.mark.parametrize("value", ["https://a.example/x?y=1&z=2#f", "http://a.example", " HTTPS://a.example "])
def test_a_web_address_is_kept_and_not_html_escaped(value):
    assert link("{{ v }}", value) == value.strip()


def test_an_image_follows_the_same_rule():
    template = compile_template(TemplateSource(body="x", image="{{ v }}"))
    assert template.render_push({"v": "javascript:x"}).image == ""
    assert template.render_push({"v": "https://a.example/i.png"}).image == "https://a.example/i.png"


@pytest.mark.parametrize("field", ["link", "image"])
@pytest.mark.parametrize("address", ["javascript:alert(1)", "/path", "javascript:{{ v }}", "java\tscript:x{{ v }}"])
def test_an_address_that_could_never_be_safe_is_refused_on_save(field, address):
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(**{"body": "x", field: address}))
    assert (refused.value.code, refused.value.field) == ("unsafe_url", field)


def test_titles_are_one_line_and_bodies_keep_theirs():
    template = compile_template(TemplateSource(title="{{ v }}", body="{{ v }}"))
    push = template.render_push({"v": "a\r\nb <i>\0"})
    assert (push.title, push.body) == ("a b <i>", "a\r\nb <i>")
