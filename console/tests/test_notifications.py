"""Finding notifications, and the page of one."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import pytest

from testkit.eventually import wait_until
from tests.visiting import Browser, System

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def sent(system: System) -> dict[str, str]:
    user = system.user("Grace Hopper")
    made = system.send(user["id"], system.template(), metadata={"order": SCRIPT})
    return {"id": made["notification_id"], "request": made["request_id"], "user": user["id"], "email": user["email"]}


@pytest.mark.parametrize("by", ["email", "user"])
async def test_it_is_found_by_address_and_user(admin: Browser, sent: dict[str, str], by: str) -> None:
    page = (await admin.open(f"/notifications?q={sent[by]}")).text
    assert f'href="/notifications/{sent["id"]}"' in page
    assert f'To <a href="/users/{sent["user"]}"><strong>Grace Hopper</strong></a>' in page
    assert '<option value="any" selected>' in page


@pytest.mark.parametrize("by", ["id", "request"])
async def test_a_notification_id_and_a_request_id_lead_straight_to_it(
    admin: Browser, sent: dict[str, str], by: str
) -> None:
    for typed in (sent[by], f" {sent[by]} "):
        led = await admin.http.get("/notifications", params={"q": typed})
        assert led.headers["location"] == f"/notifications/{sent['id']}"


async def test_its_page_names_the_recipient(admin: Browser, sent: dict[str, str]) -> None:
    page = (await admin.open(f"/notifications/{sent['id']}")).text
    assert f'<a href="/users/{sent["user"]}">Grace Hopper</a>, {sent["email"]}' in page


async def test_a_contact_is_found_by_the_applications_own_id(visitor: Browser, system: System) -> None:
    key, own = system.key("users:read", "users:write", "notifications:read"), f"crm-{uuid4().hex[:8]}"
    body = {"name": "Cora Contact", "email": f"{uuid4().hex}@example.com"}
    made = httpx2.put(f"{system.url}/api/v1/users/external/{own}", json=body, headers={"X-API-Key": key})
    assert made.is_success
    await visitor.submit("/login", "/login/key", key=key)
    assert "Cora Contact" in (await visitor.open(f"/notifications?q={own}")).text
    person = await visitor.open(f"/users?q={own}")
    assert "Cora Contact" in (await visitor.open(person.headers["location"])).text


async def test_nobody_and_nothing_are_said_with_what_to_do(admin: Browser) -> None:
    nobody = (await admin.open("/notifications?q=nobody@example.com")).text
    assert "Nothing found for this address" in nobody
    assert "No user has it now, and no request named it" in nobody
    assert "This is no e-mail address" in (await admin.open("/notifications?q=a@b")).text
    assert "See what was sent to it" in (await admin.open("/users?q=nobody@example.com")).text
    assert "Clear the search" in (await admin.open(f"/notifications?q={uuid4()}")).text
    assert "An e-mail address has to be complete" in (await admin.open("/notifications?q=grace")).text
    people = await admin.open("/users?q=grace")
    assert (people.status_code, "An e-mail address has to be complete" in people.text) == (200, True)
    quiet = (await admin.open("/notifications?status=cancelled&template=none")).text
    assert "Look at any time" in quiet
    assert "since=any" in quiet


async def test_filters_narrow_and_pages_follow(admin: Browser, system: System) -> None:
    user, template = system.user(), system.template()
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for _ in range(51):
        system.send(user["id"], template, send_at=later)
    first = (await admin.open(f"/notifications?template={template}&status=pending&channel=email")).text
    assert first.count('data-label="Template"') == 50
    older = first.split('rel="next"')[0].split('href="')[-1].split('"')[0].replace("&amp;", "&")
    second = (await admin.open(older)).text
    assert second.count('data-label="Template"') == 1
    assert "Newest" in second
    assert "Nothing found" in (await admin.open(f"/notifications?template={template}&status=sent")).text


async def test_what_no_form_offers_counts_as_not_given(admin: Browser) -> None:
    page = await admin.open("/notifications?status=lost&channel=fax&since=1y&before=x&q=" + "y" * 400)
    assert page.status_code == 200


async def test_the_page_answers_whether_it_arrived_and_shows_every_step(admin: Browser, sent: dict[str, str]) -> None:
    page = (await admin.open(f"/notifications/{sent['id']}")).text
    assert "It was sent: our mail server (smtp) took it, and it has not come back." in page
    assert all(title in page for title in ("Accepted", "Handed to the queue", "The provider took it"))
    assert sent["request"] in page
    assert "curl -s http" in page
    assert "Try again</button>" not in page


async def test_values_of_callers_are_text(admin: Browser, system: System, sent: dict[str, str]) -> None:
    user = system.user(SCRIPT)
    for path in (f"/notifications/{sent['id']}", f"/users/{user['id']}", f"/notifications?q={user['email']}"):
        page = (await admin.open(path)).text
        assert "&lt;script&gt;alert(1)" in page
        assert SCRIPT not in page
    for path in (f"/notifications?q={SCRIPT}", f"/users?q={SCRIPT}", f"/templates?q={SCRIPT}"):
        page = await admin.open(path)
        assert page.status_code == 200
        assert SCRIPT not in page.text


@pytest.mark.parametrize("name", ["x", "%2e%2e", "..%2fusers", "1", "'--"])
@pytest.mark.parametrize("path", ["/notifications/{}", "/users/{}", "/notifications/{}/live"])
async def test_an_id_that_is_none_is_not_found(admin: Browser, path: str, name: str) -> None:
    page = await admin.open(path.format(name))
    assert page.status_code == 404
    assert "<h1>" in page.text


async def test_a_page_that_does_not_exist_says_so(admin: Browser) -> None:
    page = await admin.open("/no-such-page")
    assert page.status_code == 404
    assert "There is no such page" in page.text
    gone = await admin.open(f"/notifications/{uuid4()}")
    assert gone.status_code == 404
    assert "Correlation id" in gone.text
    assert gone.headers["x-correlation-id"] in gone.text


async def test_a_scheduled_one_is_cancelled(admin: Browser, system: System) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = system.send(system.user()["id"], system.template(), send_at=later)["notification_id"]
    page = f"/notifications/{made}"
    text = (await admin.open(page)).text
    assert "It waits for its time" in text
    assert f'hx-get="{page}/live?poll=0"' in text
    part = await admin.open(f"{page}/live?poll=3", **{"hx-request": "true"})
    assert "poll=4" in part.text
    assert "<html" not in part.text
    assert "hx-get" not in (await admin.open(f"{page}/live?poll=299")).text.replace("poll=300", "")
    assert f'href="{page}/cancel">Cancel it …</a>' in text
    assert "It is never sent" in (await admin.open(f"{page}/cancel")).text
    done = await admin.submit(f"{page}/cancel", f"{page}/cancel")
    assert done.headers["location"] == f"{page}?done=cancelled"
    assert "It is cancelled." in (await admin.open(done.headers["location"])).text
    again = await admin.submit("/notifications", f"{page}/retry")
    assert again.status_code == 409
    assert "Not possible any more" in again.text
    rest = await admin.open(f"{page}/live")
    assert rest.headers["hx-refresh"] == "true"


async def test_a_retry_is_followed_to_its_end(admin: Browser, system: System) -> None:
    user = system.user(email=f"reject-data+{uuid4().hex[:8]}@example.com")
    failed = system.send(user["id"], system.template())
    page = f"/notifications/{failed['notification_id']}"
    text = (await admin.open(page)).text
    answer = text.split('class="verdict"')[1].split("</section>")[0].split("<h2>")[0]
    assert "does not accept it" in answer
    assert "The mail server answered" in answer
    assert "5.7.1: " in answer
    assert 'class="main">Try again</button>' in text
    done = await admin.submit(page, f"{page}/retry")
    assert done.headers["location"] == f"{page}?done=retried"
    wait_until(lambda: system.detail(failed["notification_id"])["replays"] == 1, 30, "the retry")
    wait_until(lambda: system.detail(failed["notification_id"])["status"] == "failed", 60, "its end")
    text = (await admin.open(f"{page}?done=retried")).text
    assert "Tried again by hand" in text
    assert "which was done once" in text
    assert "It is tried again" not in text, "it has ended"


async def test_another_try_to_an_address_that_gets_no_mail_is_not_offered(admin: Browser, system: System) -> None:
    user = system.user(email=f"bounce+{uuid4().hex[:8]}@example.com")
    failed = system.bounced(user, system.template())
    assert failed["error"] == "bounced", failed
    page = f"/notifications/{failed['notification_id']}"
    text = (await admin.open(page)).text
    answer = text.split('class="verdict"')[1].split("</section>")[0].split("<h2>")[0]
    assert "No. The mail came back: there is no such mailbox." in answer
    assert "Correct the address at the user, then try again." in answer
    assert f'href="/users/{user["id"]}">Open Grace Hopper</a>' in answer
    assert 'href="/suppressions/' in answer
    assert failed["error_detail"][:12] in answer
    assert "Try again" not in text
    system.call("PUT", f"/users/{user['id']}", {"name": "Grace Hopper", "email": f"{uuid4().hex}@example.com"})
    text = (await admin.open(page)).text
    assert 'class="main">Try again</button>' in text, "the user has another address now"
    assert "See why it is suppressed" not in text


async def test_what_may_have_arrived_is_tried_again_after_a_question(admin: Browser, system: System) -> None:
    made = system.send(None, system.template(), to={"email": f"bounce+{uuid4().hex[:8]}@example.com"})
    page = f"/notifications/{made['notification_id']}"
    asked = (await admin.open(f"{page}/retry")).text
    assert "Try again all the same?" in asked
    assert "there is no such mailbox" in asked
    done = await admin.submit(f"{page}/retry", f"{page}/retry")
    assert done.headers["location"] == f"{page}?done=retried"


async def test_a_push_shows_each_device_and_the_users_page_names_them(admin: Browser, system: System) -> None:
    user = system.user()
    for token in (f"fine-{uuid4().hex}", f"gone-{uuid4().hex}"):
        system.call("POST", f"/users/{user['id']}/push-tokens", {"push_token": token})
    made = system.send(user["id"], system.template(title="Hi {{ name }}", body="x"), notification_type="push")[
        "notification_id"
    ]
    device = system.call("GET", f"/users/{user['id']}/push-tokens")[0]
    page = (await admin.open(f"/users/{user['id']}")).text
    assert device["fingerprint"][:8] in page
    assert device["token"] not in page, "who has a device's token can be written to by others"
    assert "FCM" in page
    assert made in page


async def test_a_recipient_who_is_no_user_is_found_by_the_address_and_named(admin: Browser, system: System) -> None:
    address = f"{uuid4().hex}@example.com"
    made = system.send(None, system.template(), to={"email": address, "name": "Ada"})
    page, recipient = f"/notifications/{made['notification_id']}", made["user_id"]
    shown = f"{address[:1]}***@example.com"
    text = (await admin.open(page)).text
    assert f"Ada, {shown}" in text
    assert address not in text
    assert "Not a registered user: the address came with the request." in text
    for search in (address.upper(), recipient):
        listed = (await admin.open(f"/notifications?q={search}")).text
        assert f'href="{page}"' in listed
        assert f'To <strong>Ada</strong> <span class="soft">{shown}</span>' in listed
        assert f"/users/{recipient}" not in listed
    assert f'href="/notifications?q={recipient}&amp;since=any"' in text, "everything that was sent to it"
    led = await admin.open(f"/users/{recipient}")
    assert led.headers["location"] == f"/notifications?q={recipient}"


async def test_lists_name_recipients_without_a_call_for_each_of_them(admin: Browser, system: System) -> None:
    template, user = system.template(), system.user("Grace Hopper")
    system.send(user["id"], template)
    system.send(None, template, to={"email": f"{uuid4().hex}@example.com"})
    page = (await admin.open(f"/notifications?template={template}")).text
    cells = [one.split("</td>")[0] for one in page.split('data-label="Recipient">')[1:]]
    assert "***@example.com" in cells[0]
    assert "href" not in cells[0]
    assert f'<a href="/users/{user["id"]}">Grace Hopper</a>' in cells[1]


async def test_a_bad_address_that_the_request_named_is_the_callers_to_correct(admin: Browser, system: System) -> None:
    made = system.send(None, system.template(), to={"email": f"bounce+{uuid4().hex[:8]}@example.com"})
    text = (await admin.open(f"/notifications/{made['notification_id']}")).text
    assert "The application that sent it has to send a new one, to the right address." in text
    assert "See why it is suppressed</a>" in text
    assert "Correct the address at the user" not in text


async def test_a_suppressed_address_leads_to_its_entry(admin: Browser, system: System) -> None:
    address = f"{uuid4().hex}@example.com"
    system.call("POST", "/suppressions", {"emails": [address], "reason": "complained"})
    made = system.send(None, system.template(), to={"email": address})
    page = f"/notifications/{made['notification_id']}"
    text = (await admin.open(page)).text
    assert "No. The address is on the suppression list: it was added as one that does not want mail." in text
    entry = text.split('href="/suppressions/')[1].split("?")[0]
    assert "This address gets no mail." in (await admin.open(f"/suppressions/{entry}")).text
    await admin.submit(f"/suppressions/{entry}", f"/suppressions/{entry}/remove")
    assert "The address is not on the list any more" in (await admin.open(page)).text


async def test_a_key_finds_by_address_what_its_application_sent(visitor: Browser, system: System) -> None:
    key, address = system.key("notifications:read", "notifications:write"), f"{uuid4().hex}@example.com"
    body = {
        "notification_type": "email", "to": {"email": address}, "template_code": system.template(),
        "variables": {"name": "Ada"},
    }  # fmt: skip
    made = httpx2.post(f"{system.url}/api/v1/notifications", json=body, headers={"X-API-Key": key}).json()["data"]
    await visitor.submit("/login", "/login/key", key=key)
    assert made["notification_id"] in (await visitor.open(f"/notifications?q={address}")).text
    user = system.user()
    assert "with the scope users:read" in (await visitor.open(f"/notifications?q={user['email']}")).text


async def test_a_device_is_found_by_its_token(admin: Browser, system: System) -> None:
    token = f"device-{uuid4().hex}"
    template = system.template(title="Hi {{ name }}", body="x")
    made = system.send(None, template, notification_type="push", to={"push_tokens": [token]})["notification_id"]
    page = (await admin.open(f"/notifications?q={token}")).text
    assert f'href="/notifications/{made}"' in page
    assert "<strong>1 device</strong>" in page
