"""Templates as they look: in a frame in which nothing runs."""

import pytest

from console.services.previews import example_values, nested
from tests.visiting import Browser, System

MAIL = "<html><body><h1>Hello {{ name }}</h1><p>{{ order.id }}</p></body></html>"


@pytest.fixture(scope="module")
def template(system: System) -> str:
    return system.template(name="Parcel <b>", content=MAIL, title="Hi {{ name }}", body="Order {{ order.id }}")


async def test_a_template_is_found_and_shown_with_examples(admin: Browser, template: str) -> None:
    assert template in (await admin.open(f"/templates?q={template}")).text
    page = (await admin.open(f"/templates/{template}")).text
    assert 'sandbox=""' in page
    assert "Hi Ada Lovelace" in page
    assert "Parcel &lt;b&gt;" in page


async def test_the_mail_is_framed_by_the_console_alone_and_runs_nothing(admin: Browser, template: str) -> None:
    mail = await admin.open(f"/templates/{template}/email?v.name=Grace&v.order.id=A-7")
    assert "Hello Grace" in mail.text
    assert "A-7" in mail.text
    policy = mail.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "frame-ancestors 'self'" in policy
    assert "script" not in policy


@pytest.mark.parametrize(
    "path", ["/templates/none", "/templates/a%20b", "/templates/no/email", "/templates/x?language=%3C"]
)
async def test_what_is_no_template_is_a_clear_page(admin: Browser, path: str) -> None:
    page = await admin.open(path)
    assert page.status_code in {404, 422}
    assert "<h1>" in page.text


async def test_values_that_do_not_fit_are_said(admin: Browser, system: System) -> None:
    code = system.template(content="<p>{{ name }} {{ 1 | divided_by: zero }}</p>")
    page = await admin.open(f"/templates/{code}?v.zero=0")
    assert page.status_code == 200
    assert "cannot be shown with these values" in page.text


def test_values_by_their_names() -> None:
    assert example_values(["link", "order.id", "first_name"]) == {
        "link": "https://example.com/", "order.id": "id", "first_name": "Ada Lovelace",
    }  # fmt: skip
    assert nested({"a.b": "1", "a.c": "2", "d": "3", "d.e": "4"}) == {"a": {"b": "1", "c": "2"}, "d": "3"}
