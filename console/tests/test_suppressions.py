"""Suppressed addresses: found, added by hand and from a file, removed, and the list as a file."""

from typing import Any
from uuid import uuid4

import pytest

from console.services.suppressing import MEANINGS, REASONS, addresses_of, meaning_of
from notifications.resources.operations import fingerprint
from tests.visiting import Browser, System, csrf_of

ADD, IMPORT = "/suppressions/add", "/suppressions/import"


def fresh() -> str:
    return f"{uuid4().hex}@example.com"


async def send_file(browser: Browser, content: bytes, reason: str = "manual") -> Any:
    csrf = csrf_of((await browser.open(ADD)).text)
    fields, headers = {"csrf": csrf, "reason": reason}, {"sec-fetch-site": "same-origin"}
    return await browser.http.post(IMPORT, data=fields, files={"file": ("list.csv", content)}, headers=headers)


async def test_addresses_are_added_found_explained_and_removed(admin: Browser, system: System) -> None:
    one, other = fresh(), fresh()
    done = await admin.submit(ADD, ADD, emails=f"{one}\n {other};{one}", reason="complained")
    assert done.headers["location"] == "/suppressions?suppressed=2"
    page = (await admin.open(done.headers["location"])).text
    assert "2 addresses were added to the list." in page
    assert one not in page, "the list shows addresses masked"
    led = await admin.open(f"/suppressions?q={one.upper()}")
    assert led.headers["location"] == f"/suppressions/{fingerprint(one)}"
    page = (await admin.open(led.headers["location"])).text
    assert MEANINGS["complained"] in page
    assert "Do it only if they ask for it" in page
    removed = await admin.submit(led.headers["location"], f"{led.headers['location']}/remove")
    assert removed.headers["location"] == "/suppressions?done=unsuppressed"
    assert "The address is off the suppression list." in (await admin.open(removed.headers["location"])).text
    assert "Not suppressed" in (await admin.open(f"/suppressions?q={one}")).text
    assert "Not suppressed" in (await admin.open(f"/suppressions?q={fingerprint(one)}")).text
    assert system.call("GET", f"/suppressions/{fingerprint(other)}")["reason"] == "complained"


async def test_an_entry_names_the_mail_that_came_back_and_the_way_back(admin: Browser, system: System) -> None:
    user = system.user(email=f"bounce+{uuid4().hex[:8]}@example.com")
    failed = system.bounced(user, system.template())["notification_id"]
    entry = f"/suppressions/{fingerprint(user['email'])}"
    listed = (await admin.open(entry)).text
    assert "Grace Hopper" not in listed, "the list knows no names"
    assert f'was put on the list when <a href="/notifications/{failed}">' in listed
    for of, back in ((failed, f"/notifications/{failed}"), (user["id"], f"/users/{user['id']}")):
        page = (await admin.open(f"{entry}?of={of}")).text
        assert "Grace Hopper" in page
        assert f'was put on the list when <a href="/notifications/{failed}">' in page
        assert "server refused an earlier mail, because there is no such address." in page
        assert "5.1.1: there is no such mailbox." in page
        assert f'href="/notifications?q={user["id"]}&amp;since=any"' in page
        assert f'<a href="/users/{user["id"]}/change">Correct it at the user</a>' in page
        assert f'<a class="button" href="{back}">Leave it on the list</a>' in page
    assert f'href="{entry}?of={user["id"]}"' in (await admin.open(f"/users/{user['id']}")).text
    for of in ("x", str(uuid4()), system.user()["id"]):
        assert "Grace Hopper" not in (await admin.open(f"{entry}?of={of}")).text, "not this one's address"
    done = await admin.submit(f"{entry}?of={failed}", f"{entry}/remove", of=failed)
    assert done.headers["location"] == f"/notifications/{failed}?done=unsuppressed"


async def test_what_is_not_an_address_is_named_and_nothing_is_added(admin: Browser, system: System) -> None:
    good = fresh()
    page = await admin.submit(ADD, ADD, emails=f"{good}\nnot-an-address", reason="manual")
    assert page.status_code == 422
    assert "<strong>not-an-address</strong>" in page.text
    assert good in page.text, "what was typed is still there"
    assert system.http.get(f"/suppressions/{fingerprint(good)}").status_code == 404
    for emails, said in (("", "Type at least one address."), ("a@b.c\n" * 2, None), (" ,; ", "Type at least one")):
        if said:
            assert said in (await admin.submit(ADD, ADD, emails=emails)).text
    many = " ".join(f"{n}@example.com" for n in range(1_001))
    assert "These are 1,001 addresses: use a file." in (await admin.submit(ADD, ADD, emails=many)).text


async def test_a_file_is_imported_and_an_export_is_one_that_can_be(admin: Browser, system: System) -> None:
    one, other = fresh(), fresh()
    done = await send_file(admin, f"email,reason\r\n{one},bounced\r\n{other},\r\n".encode(), "complained")
    assert done.headers["location"] == "/suppressions?suppressed=2"
    assert system.call("GET", f"/suppressions/{fingerprint(other)}")["reason"] == "complained"
    file = await admin.open("/suppressions/export?reason=bounced")
    assert file.headers["content-type"].startswith("text/csv")
    assert file.headers["content-disposition"] == 'attachment; filename="suppressions.csv"'
    assert fingerprint(one) in file.text
    assert fingerprint(other) not in file.text
    again = await send_file(admin, file.content)
    assert again.headers["location"] == "/suppressions?suppressed=0"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Choose a file that has addresses in it."),
        (b"email\r\nnot-an-address\r\n", "line 2"),
        (b"name\r\nAda\r\n", "email"),
        (b"x" * (4 * 1_048_576 + 1), "The file is larger than 4 MiB"),
    ],
    ids=["empty", "no address", "no column", "large"],
)
async def test_a_file_that_cannot_be_taken_is_refused_with_the_reason(
    admin: Browser, content: bytes, said: str
) -> None:
    page = await send_file(admin, content)
    assert page.status_code == 422
    assert said in page.text


async def test_the_list_is_filtered_and_paged(admin: Browser, system: System) -> None:
    system.call("POST", "/suppressions", {"emails": [fresh() for _ in range(51)], "reason": "manual"})
    first = (await admin.open("/suppressions?reason=manual")).text
    assert first.count('data-label="Address"') == 50
    assert "/suppressions?reason=manual&amp;page=2" in first
    assert 'data-label="Address"' in (await admin.open("/suppressions?reason=manual&page=2")).text
    assert "not that long" in (await admin.open("/suppressions?page=9999")).text
    assert "has to be complete" in (await admin.open("/suppressions?q=ada")).text


@pytest.mark.parametrize("name", ["x", "%2e%2e", "0" * 63, "'--"])
async def test_a_fingerprint_that_is_none_is_not_found(admin: Browser, name: str) -> None:
    assert (await admin.open(f"/suppressions/{name}")).status_code == 404
    assert (await admin.open(f"/suppressions/{'0' * 64}")).status_code == 404


async def test_a_file_without_the_sessions_token_does_nothing(admin: Browser) -> None:
    refused = await admin.http.post(IMPORT, data={}, files={"file": ("l.csv", b"email\r\n")})
    assert refused.status_code == 403


def test_every_reason_has_a_meaning_and_addresses_are_read_in_every_form() -> None:
    assert set(MEANINGS) == set(REASONS)
    assert all(meaning_of(reason).endswith(".") for reason in (*REASONS, "dead", "something_new"))
    assert addresses_of("a@b.c, d@e.f;\n a@b.c\tg@h.i") == ["a@b.c", "d@e.f", "g@h.i"]
    assert addresses_of(" \n") == []
