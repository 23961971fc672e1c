"""Links of apps arrive; what runs code never does."""

import pytest

from templating import TemplateError, TemplateSource, check_links, compile_template
from templating.urls import app_scheme

DANGEROUS = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "\x01javascript:alert(1)",
    "java\u200bscript:alert(1)",
    "javascript&colon;alert(1)",
    "java&#115;cript:alert(1)",
    "&#106;avascript:alert(1)",
    "vbscript:x",
    "VBScript:x",
    "data:text/html,x",
    "DATA:text/html;base64,x",
    "file:///etc/passwd",
    "blob:https://x/1",
    "ms-msdt:/id x",
    "view-source:javascript:x",
]


def href(source: str, *schemes: str, **variables: object) -> str:
    template = compile_template(TemplateSource(html=f'<a href="{source}">x</a>', link_schemes=schemes))
    return template.render_email(variables).html.split('"')[1]


def link(source: str, *schemes: str, **variables: object) -> str:
    return compile_template(TemplateSource(body="x", link=source, link_schemes=schemes)).render_push(variables).link


@pytest.mark.parametrize("address", ["myapp://orders/1", "myapp:orders", "MyApp://x", "com.example.app+x://y?z=1#w"])
def test_a_value_may_lead_into_an_app_that_the_template_names(address):
    schemes = ("myapp", "com.example.app+x")
    assert href("{{ u }}", *schemes, u=address) == address
    assert link("{{ u }}", *schemes, u=address) == address
    assert href("{{ u }}", u=address) == "#"
    assert link("{{ u }}", u=address) == ""


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("myapp://orders/{{ id }}", "myapp://orders/7"),
        ("myapp:{{ id }}", "myapp:7"),
        ("MYAPP://x", "MYAPP://x"),
        ("intent://scan/{{ id }}#Intent;scheme=x;end", "intent://scan/7#Intent;scheme=x;end"),
        ("mailto:a@b.c?subject={{ id }}", "mailto:a@b.c?subject=7"),
        ("tel:+49{{ id }}", "tel:+497"),
        ("sms:{{ id }}", "sms:7"),
        ("https://e/{{ id }}", "https://e/7"),
    ],
)
def test_what_the_template_itself_says_needs_no_leave(source, address):
    assert href(source, id=7) == address
    assert link(source, id=7) == address


@pytest.mark.parametrize("value", DANGEROUS)
def test_no_value_runs_code_whatever_the_template_allows(value):
    for schemes in ((), ("myapp",), ("intent", "fb")):
        assert link("{{ u }}", *schemes, u=value) == ""
        address = href("{{ u }}", *schemes, u=value)
        assert address == "#" or (
            value.startswith(("&", "java")) and "&" in value and address.startswith(("&amp;", "java"))
        )


@pytest.mark.parametrize("source", [f"{address}{{{{ u }}}}" for address in DANGEROUS])
def test_no_template_runs_code(source):
    for refused in (lambda: href(source, "myapp"), lambda: link(source, "myapp")):
        with pytest.raises(TemplateError) as error:
            refused()
        assert error.value.code == "unsafe_url"


@pytest.mark.parametrize("address", [one for one in DANGEROUS if not one.lower().startswith("data")])
@pytest.mark.parametrize(
    "place", ["<a href", "<form action", "<img src", "<svg><a xlink:href", "<button formaction", "<p><area href"]
)
def test_a_template_that_spells_such_a_link_out_is_not_saved(place, address):
    for html in (f'{place}="{address}">x', f'{place}="{{% if a %}}{address}{{% endif %}}">x'):
        with pytest.raises(TemplateError) as refused:
            check_links(TemplateSource(html=html))
        assert (refused.value.code, refused.value.field) == ("unsafe_url", "html")


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://e/?x=javascript:1">x',
        '<a href="{{ u }}:javascript">x',
        '<img src="data:image/png;base64,AAAA">',
        '<a href="myapp://x">x',
        '<a href="java/script:x">x',
        '<p title="javascript:x">javascript:x',
        "javascript:x",
    ],
)
def test_other_links_are_saved(html):
    check_links(TemplateSource(html=html))


@pytest.mark.parametrize(
    "value", ["myapp:", "myapp://a b", "myapp://a\nb", "myapp://a\\b", "myapp2://x", "my app://x", "//x"]
)
def test_what_is_no_link_of_the_app_is_none(value):
    assert link("{{ u }}", "myapp", u=value) == ""


def test_a_picture_is_on_the_web():
    template = compile_template(TemplateSource(body="x", image="{{ u }}", link_schemes=("myapp",)))
    assert template.render_push({"u": "myapp://x"}).image == ""
    with pytest.raises(TemplateError):
        compile_template(TemplateSource(body="x", image="myapp://x", link_schemes=("myapp",)))


@pytest.mark.parametrize("given", ["myapp", " MyApp ", "myapp:", "myapp://"])
def test_a_scheme_may_be_written_as_it_is_used(given):
    assert app_scheme(given) == "myapp"


@pytest.mark.parametrize(
    "given",
    ["", "://", "my app", "1app", "my_app", "javascript", "JAVASCRIPT:", "script", "data", "ta", "file", "a" * 33],
)
def test_a_scheme_that_is_none_or_could_run_code_is_refused(given):
    with pytest.raises(ValueError, match="must"):
        app_scheme(given)
