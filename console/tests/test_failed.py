"""Failed notifications in groups, and trying a group again."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from console.services.advice import ADVICE, BY_CODE, OTHERWISE, advice_of_kind, advice_on
from console.services.failures import fitting, grouped
from notifications import Notification
from testkit.eventually import wait_until
from tests.visiting import Browser, System


@pytest.fixture(scope="module")
def bounced(system: System) -> tuple[str, list[str]]:
    """A template, and two notifications of it that came back."""
    template = system.template()
    user = system.user(email=f"bounce+{uuid4().hex[:8]}@example.com")
    first = system.bounced(user, template)
    assert first["error"] == "bounced", first
    other = system.user(email=f"bounce+{uuid4().hex[:8]}@example.com")
    return template, [first["notification_id"], system.bounced(other, template)["notification_id"]]


@pytest.fixture(scope="module")
def unrendered(system: System) -> tuple[str, list[str]]:
    """A template whose newest version cannot be rendered with the values that were given."""
    template = system.template(content="<p>{{ name }} {{ 1 | divided_by: zero }}</p>")
    made = [system.send(system.user()["id"], template, variables={"name": "G", "zero": 0}) for _ in range(2)]
    assert {one["error"] for one in made} == {"render_failed"}
    return template, [one["notification_id"] for one in made]


async def test_failures_are_grouped_and_each_group_says_what_to_do(
    admin: Browser, bounced: tuple[str, list[str]], unrendered: tuple[str, list[str]]
) -> None:
    page = (await admin.open("/failed")).text
    for advice in (BY_CODE["bounced", "dead"], ADVICE["render_failed"]):
        assert advice.todo.split(".")[0] in page
    for template, _ in (bounced, unrendered):
        assert template in page
    assert f"reason=render_failed&amp;channel=email&amp;template={unrendered[0]}" in page
    assert "kind=dead" not in page, "another try to a dead address only does harm"


async def test_a_group_is_tried_again_after_a_page_that_asks(
    admin: Browser, system: System, unrendered: tuple[str, list[str]]
) -> None:
    template, ids = unrendered
    page = f"/failed/replay?reason=render_failed&channel=email&template={template}"
    text = (await admin.open(page)).text
    assert "<strong>2</strong> notifications" in text
    fixed = {"subject": "Hi {{ name }}", "content": "<p>{{ name }}</p>"}
    system.call("PUT", f"/templates/{template}", {"name": "Parcel", **fixed})
    group = {"reason": "render_failed", "channel": "email", "template": template}
    done = await admin.submit(page, "/failed/replay", how_many="all", **group)
    assert done.headers["location"] == "/failed?replayed=2"
    assert "2 will be tried again." in (await admin.open(done.headers["location"])).text
    for one in ids:
        wait_until(lambda one=one: system.detail(one)["status"] == "sent", 60, "the second try")
    assert "None of them is left" in (await admin.open(page)).text


@pytest.mark.parametrize(
    "changed",
    [
        {"reason": "<b>"},
        {"reason": ""},
        {"channel": "fax"},
        {"kind": "x"},
        {"template": "a b"},
        {"template": "x" * 101},
    ],
)
async def test_a_group_that_no_page_offers_is_refused(admin: Browser, changed: dict[str, str]) -> None:
    group = {"reason": "exhausted", "channel": "email", "template": "", **changed}
    refused = await admin.submit("/notifications", "/failed/replay", how_many="all", **group)
    assert refused.status_code == 422
    asked = await admin.http.get("/failed/replay", params=group)
    assert asked.status_code == 422


async def test_a_channel_without_failures_says_so(admin: Browser) -> None:
    page = (await admin.open("/failed?channel=push")).text
    assert "by push" in page


async def test_a_key_may_replay_only_with_its_scope(visitor: Browser, system: System) -> None:
    await visitor.submit("/login", "/login/key", key=system.key("notifications:read"))
    group = {"reason": "exhausted", "channel": "email", "template": "", "how_many": "few"}
    refused = await visitor.submit("/notifications", "/failed/replay", **group)
    assert refused.status_code == 403
    assert "scopes" in refused.text


def test_every_advice_is_whole() -> None:
    for advice in (*ADVICE.values(), *BY_CODE.values(), OTHERWISE):
        assert advice.meaning.endswith(".")
        assert advice.todo.endswith(".")
        assert advice.given.endswith(".") or not advice.given
        assert not advice.for_all.startswith(("Nothing", "Read")), "it says what to do"
    assert advice_on("something_new") is OTHERWISE
    assert advice_on(None) is OTHERWISE
    assert all(advice_of_kind(*key) is advice and advice.kind == key[1] for key, advice in BY_CODE.items())
    assert advice_of_kind("bounced", "") is ADVICE["bounced"]
    assert advice_of_kind("rejected", "full") is ADVICE["rejected"]


def failed_mail(said: str, template: str = "news") -> Notification:
    return Notification.model_construct(
        notification_id=said, error="bounced", error_detail=said, notification_type="email", template_code=template,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_a_full_mailbox_and_an_address_that_does_not_exist_are_two_groups() -> None:
    failed = [failed_mail(said) for said in ("5.1.1", "5.2.2", "550 5.1.1 unknown", "5.7.1", "")]
    groups = grouped(failed)
    assert [(one.advice.kind, one.number) for one in groups] == [("dead", 2), ("full", 1), ("policy", 1), ("", 1)]
    assert [one.advice.again for one in groups] == [False, True, True, False]
    assert groups[1].templates[0].detail == "5.2.2"
    assert fitting(failed, "bounced", "", "full") == ["5.2.2"]
    assert fitting(failed, "bounced", "news", "") == [""]
    assert fitting(failed, "bounced", "other", "full") == []


async def test_only_the_group_of_its_kind_is_tried_again(admin: Browser, system: System) -> None:
    template = system.template()
    for word in ("bounce", "full"):
        made = system.send(None, template, to={"email": f"{word}+{uuid4().hex[:8]}@example.com"})["notification_id"]
        wait_until(lambda made=made: system.detail(made)["status"] == "failed", 60, "the bounce")
    page = (await admin.open("/failed")).text
    link = f"/failed/replay?reason=bounced&amp;channel=email&amp;template={template}&amp;kind="
    assert f"{link}full" in page
    assert f"{link}dead" not in page
    assert "5.2.2: the recipient&#39;s mailbox is full." in page
    asked = f"/failed/replay?reason=bounced&channel=email&template={template}&kind=full"
    assert "<strong>1</strong> notification " in (await admin.open(asked)).text
    group = {"reason": "bounced", "channel": "email", "template": template, "kind": "full"}
    done = await admin.submit(asked, "/failed/replay", how_many="all", **group)
    assert done.headers["location"] == "/failed?replayed=1"
