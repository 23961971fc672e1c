"""The audit trail as a page: who, what, to what, before and after."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from console.services.changes import ChangeSearch, differences_of, thing_of
from devstack.plan import ADMIN_EMAIL
from notifications import AuditEvent
from tests.visiting import Browser, System

SCRIPT = "<script>alert(1)</script>"


async def test_a_change_is_shown_before_and_after_with_names(admin: Browser, system: System) -> None:
    name = f"orders {uuid4().hex[:8]}"
    made = system.call("POST", "/applications", {"name": name, "rate_limit_per_minute": 600})["id"]
    system.call("PATCH", f"/applications/{made}", {"rate_limit_per_minute": 6000, "sender": {"from_name": SCRIPT}})
    page = (await admin.open(f"/audit?target=application:{made}&action=application.changed")).text
    assert "<del>600</del>" in page
    assert "<ins>6000</ins>" in page
    assert f'<a href="/applications/{made}">{name}</a>' in page
    assert "&lt;script&gt;alert(1)" in page
    assert SCRIPT not in page
    assert page.count('data-label="What"') == 1


async def test_who_is_found_by_address_by_id_and_as_the_api_writes_it(admin: Browser, system: System) -> None:
    me = system.call("GET", "/auth/me")["id"]
    code = system.template()
    for who in (ADMIN_EMAIL, me.upper(), f"user:{me}"):
        assert code in (await admin.open(f"/audit?who={who}&target=template:{code}")).text
    assert "No user has this e-mail address." in (await admin.open("/audit?who=nobody@example.com")).text
    assert "Nothing found" in (await admin.open(f"/audit?who={uuid4()}")).text


async def test_days_are_whole_and_pages_follow(admin: Browser, system: System) -> None:
    today = datetime.now(UTC).date()
    code = system.template()
    for _ in range(51):
        system.call("PUT", f"/templates/{code}", {"name": uuid4().hex, "subject": "s", "content": "<p>c</p>"})
    days = f"since={today - timedelta(days=1)}&until={today + timedelta(days=1)}"
    first = (await admin.open(f"/audit?target=template:{code}&{days}")).text
    assert first.count('data-label="What"') == 50
    older = first.split('rel="next"')[0].split('href="')[-1].split('"')[0].replace("&amp;", "&")
    second = (await admin.open(older)).text
    assert second.count('data-label="What"') == 2
    assert "Newest" in second
    assert (
        "Nothing found" in (await admin.open(f"/audit?target=template:{code}&until={today - timedelta(days=2)}")).text
    )


async def test_what_no_form_offers_counts_as_not_given(admin: Browser) -> None:
    page = await admin.open("/audit?service=console&since=yesterday&until=x&who=" + "y" * 400)
    assert page.status_code == 200
    assert (await admin.open("/audit?before=x")).status_code == 200


@pytest.mark.parametrize(
    ("whole", "kind", "name", "page"),
    [
        (
            "user:01a2013a-c30a-7000-8000-000000000007",
            "user",
            "…00000007",
            "/users/01a2013a-c30a-7000-8000-000000000007",
        ),
        ("template:welcome", "template", "welcome", "/templates/welcome"),
        ("suppressions", "suppressions", "", "/suppressions"),
        ("command", "a command on a server", "", ""),
        ("anonymous", "a stranger", "", ""),
        ("hold:7", "hold", "7", ""),
        ("user:", "user", "", ""),
    ],
)
def test_a_thing_has_words_and_its_page(whole: str, kind: str, name: str, page: str) -> None:
    thing = thing_of(whole, {})
    assert (thing.kind, thing.name, thing.page) == (kind, name, page)


def test_values_are_flat_and_said_in_words() -> None:
    event = AuditEvent(
        id="1", service="user-service", actor="command", api_key_id=None, action="a", target="t", address=None,
        correlation_id="c", occurred_at=datetime.now(UTC),
        before={"sender": {"from_name": "A"}, "scopes": ["a", "b"], "disabled": False, "email": "hmac:0123456789abcdef"},
        after={"sender": None, "scopes": [], "disabled": True, "limit": 5},
    )  # fmt: skip
    found = {one.field: (one.before, one.after) for one in differences_of(event)}
    assert found == {
        "sender.from_name": ("A", None), "scopes": ("a, b", "(empty)"), "disabled": ("no", "yes"),
        "email": ("fingerprint …89abcdef", None), "sender": (None, None), "limit": (None, "5"),
    }  # fmt: skip


def test_the_last_day_is_included() -> None:
    assert ChangeSearch.model_validate({"until": "2026-01-31"}).end == "2026-02-01"
    assert ChangeSearch.model_validate({"until": "9999-12-31"}).end is None
