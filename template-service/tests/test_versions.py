"""PUT, PATCH and activation: every change of content is a version, and no version ever changes."""

import asyncio

import pytest

TEMPLATES = "/api/v1/templates"
WELCOME = f"{TEMPLATES}/welcome_email"


@pytest.fixture(autouse=True)
async def created(admin, welcome) -> None:
    await admin.post(TEMPLATES, json=welcome)


async def numbers(client, query: str = "") -> list[int]:
    return [version["version"] for version in (await client.get(f"{WELCOME}/versions{query}")).json()["data"]]


async def test_put_replaces_every_part(admin) -> None:
    data = (await admin.put(WELCOME, json={"text": "Hi {{ first_name }}"})).json()["data"]
    assert (data["version"], data["content"], data["text"]) == (2, "", "Hi {{ first_name }}")
    assert data["subject"] == "Welcome"  # none was given: the name is used
    assert data["variables"] == ["first_name"]
    assert data["description"] == "Sent to new users"


async def test_put_needs_content(admin) -> None:
    assert (await admin.put(WELCOME, json={"name": "Other"})).status_code == 422


async def test_patch_merges_with_the_active_version(admin, welcome) -> None:
    data = (await admin.patch(WELCOME, json={"text": "Hello {{ name }}"})).json()["data"]
    assert (data["version"], data["text"]) == (2, "Hello {{ name }}")
    assert (data["content"], data["subject"]) == (welcome["content"], welcome["subject"])


async def test_of_two_authors_the_later_one_learns_of_the_other_s_version(admin) -> None:
    seen = (await admin.get(WELCOME)).json()["data"]["latest_version"]
    theirs = {"subject": "Theirs", "activate": False, "latest_version": seen}
    saved = (await admin.patch(WELCOME, json=theirs)).json()["data"]
    assert (saved["version"], saved["active_version"], saved["latest_version"]) == (2, 1, 2)
    for method, more in (("PATCH", {}), ("PUT", {"content": "<p>Mine</p>"})):
        for activate in (True, False):
            body = {"subject": "Mine", "activate": activate, "latest_version": seen, **more}
            refused = await admin.request(method, WELCOME, json=body)
            assert (refused.status_code, refused.json()["error"]) == (409, "template_changed")
            assert "Version 2 was saved in the meantime" in refused.json()["message"]
    assert await numbers(admin) == [2, 1]
    again = (await admin.patch(WELCOME, json=theirs)).json()["data"]
    assert again["version"] == 2, "the same draft again, whose first answer was lost"
    mine = await admin.patch(WELCOME, json={"subject": "Mine", "latest_version": 2})
    assert mine.json()["data"]["latest_version"] == 3
    assert (await admin.patch(WELCOME, json={"subject": "Unchecked"})).json()["data"]["version"] == 4


async def test_of_authors_who_save_at_the_same_time_one_is_first(admin) -> None:
    bodies = [{"subject": f"Number {number}", "activate": False, "latest_version": 1} for number in range(5)]
    answers = await asyncio.gather(*(admin.patch(WELCOME, json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert await numbers(admin) == [2, 1]


@pytest.mark.parametrize("given", [0, -1, "x", 2**31, 1.5])
async def test_a_latest_version_that_is_none_is_refused(admin, given) -> None:
    refused = await admin.patch(WELCOME, json={"subject": "S", "latest_version": given})
    assert (refused.status_code, refused.json()["data"]["errors"][0]["field"]) == (422, "latest_version")


async def test_patch_takes_a_part_away(admin) -> None:
    await admin.patch(WELCOME, json={"title": "T", "link": "https://example.com"})
    data = (await admin.patch(WELCOME, json={"title": None, "link": ""})).json()["data"]
    assert (data["title"], data["link"], data["channels"]) == ("", "", ["email", "push"])


async def test_patch_cannot_take_everything_away(admin) -> None:
    answer = await admin.patch(WELCOME, json={"content": None})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_template")
    assert await numbers(admin) == [1]


async def test_body_in_a_patch_of_a_push_template_is_the_message(admin) -> None:
    await admin.post(TEMPLATES, json={"code": "push", "name": "P", "title": "T", "body": "B"})
    pushed = (await admin.patch(f"{TEMPLATES}/push", json={"body": "other"})).json()["data"]
    assert (pushed["content"], pushed["body"]) == ("", "other")
    mailed = (await admin.patch(WELCOME, json={"body": "<p>other</p>"})).json()["data"]
    assert (mailed["content"], mailed["body"]) == ("<p>other</p>", "")


async def test_body_alone_in_a_put_is_the_content_even_of_a_push_template(admin) -> None:
    await admin.post(TEMPLATES, json={"code": "push", "name": "P", "title": "T", "body": "B"})
    data = (await admin.put(f"{TEMPLATES}/push", json={"body": "<p>mail</p>"})).json()["data"]
    assert (data["content"], data["body"], data["title"]) == ("<p>mail</p>", "", "")


async def test_the_same_content_makes_no_version(admin, welcome) -> None:
    for request in (admin.put, admin.patch):
        answer = await request(WELCOME, json=welcome)
        assert (answer.status_code, answer.json()["data"]["version"]) == (200, 1)
    assert (await admin.patch(WELCOME, json={})).json()["data"]["version"] == 1
    assert await numbers(admin) == [1]


async def test_a_name_or_description_alone_makes_no_version(admin) -> None:
    data = (await admin.patch(WELCOME, json={"name": "Greeting", "description": ""})).json()["data"]
    assert (data["name"], data["description"], data["version"]) == ("Greeting", "", 1)
    assert data["updated_at"] > data["created_at"]


async def test_languages_have_their_own_numbers(admin, welcome) -> None:
    await admin.post(TEMPLATES, json={**welcome, "language": "pt"})
    await admin.patch(WELCOME, json={"language": "pt", "text": "a"})
    await admin.patch(f"{WELCOME}?language=pt", json={"text": "b"})
    assert await numbers(admin, "?language=pt") == [3, 2, 1]
    assert await numbers(admin) == [1]


async def test_a_language_that_is_not_there_is_not_made_by_a_change(admin) -> None:
    for request in (admin.put, admin.patch):
        answer = await request(f"{WELCOME}?language=pt", json={"content": "x"})
        assert (answer.status_code, answer.json()["error"]) == (404, "language_not_found")


async def test_concurrent_changes_all_succeed_with_numbers_of_their_own(admin) -> None:
    answers = await asyncio.gather(*(admin.put(WELCOME, json={"content": f"<p>{n}</p>"}) for n in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    made = {answer.json()["data"]["version"]: answer.json()["data"]["content"] for answer in answers}
    assert sorted(made) == [2, 3, 4, 5, 6, 7, 8, 9]
    for number, content in made.items():
        assert (await admin.get(f"{WELCOME}?version={number}")).json()["data"]["content"] == content
    assert (await admin.get(WELCOME)).json()["data"]["version"] == 9


async def test_concurrent_patches_lose_nothing(admin) -> None:
    parts = {"text": "t", "title": "t", "body": "b", "image": "https://example.com/i", "link": "https://example.com/l"}
    await admin.patch(WELCOME, json={"title": "before"})  # so that `body` is the push message whichever comes first
    answers = await asyncio.gather(*(admin.patch(WELCOME, json={part: value}) for part, value in parts.items()))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert parts.items() <= (await admin.get(WELCOME)).json()["data"].items()


async def test_concurrent_creations_make_one_template(admin, welcome) -> None:
    answers = await asyncio.gather(*(admin.post(TEMPLATES, json={**welcome, "code": "new"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_the_history_comes_in_pages_with_the_active_one_marked(admin) -> None:
    for text in ("a", "b"):
        await admin.patch(WELCOME, json={"text": text})
    answer = (await admin.get(f"{WELCOME}/versions?limit=2")).json()
    assert [(version["version"], version["active"]) for version in answer["data"]] == [(3, True), (2, False)]
    assert answer["meta"]["total"] == 3
    assert answer["data"][0]["variables"] == ["link", "name"]


async def test_activating_rolls_back_and_forward(admin) -> None:
    await admin.patch(WELCOME, json={"text": "second"})
    back = (await admin.post(f"{WELCOME}/versions/1/activate")).json()["data"]
    assert (back["version"], back["active_version"], back["text"]) == (1, 1, "")
    assert (await admin.get(WELCOME)).json()["data"]["version"] == 1
    assert (await admin.post(f"{WELCOME}/versions/2/activate?language=en")).json()["data"]["text"] == "second"
    assert await numbers(admin) == [2, 1]


@pytest.mark.parametrize("method", ["patch", "put"])
async def test_a_draft_is_a_version_that_waits_until_it_is_activated(admin, welcome, method) -> None:
    change = {**welcome, "text": "second", "activate": False}
    saved = (await getattr(admin, method)(WELCOME, json=change)).json()["data"]
    assert (saved["version"], saved["active_version"], saved["text"]) == (2, 1, "second")
    assert (await admin.get(WELCOME)).json()["data"]["text"] == ""
    listed = (await admin.get(f"{WELCOME}/versions")).json()["data"]
    assert [(version["version"], version["active"]) for version in listed] == [(2, False), (1, True)]
    assert (await admin.post(f"{WELCOME}/versions/2/activate")).json()["data"]["text"] == "second"


async def test_a_draft_like_the_active_version_makes_none(admin, welcome) -> None:
    saved = (await admin.put(WELCOME, json={**welcome, "activate": False})).json()["data"]
    assert (saved["version"], await numbers(admin)) == (1, [1])


async def test_a_change_after_a_draft_starts_from_the_active_version(admin) -> None:
    await admin.patch(WELCOME, json={"text": "draft", "activate": False})
    saved = (await admin.patch(WELCOME, json={"preheader": "soon"})).json()["data"]
    assert (saved["version"], saved["active_version"], saved["text"], saved["preheader"]) == (3, 3, "", "soon")


async def test_a_change_after_a_roll_back_takes_the_next_number(admin) -> None:
    await admin.patch(WELCOME, json={"text": "second"})
    await admin.post(f"{WELCOME}/versions/1/activate")
    data = (await admin.patch(WELCOME, json={"title": "third"})).json()["data"]
    assert (data["version"], data["text"], data["title"]) == (3, "", "third")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("versions/2/activate", 404),
        ("versions/1/activate?language=pt", 404),
        ("versions/0/activate", 422),
        (f"versions/{2**31}/activate", 422),
    ],
)
async def test_only_a_version_that_exists_can_be_activated(admin, path, status) -> None:
    assert (await admin.post(f"{WELCOME}/{path}")).status_code == status


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_an_unknown_template_cannot_be_changed(admin, method) -> None:
    answer = await admin.request(method, f"{TEMPLATES}/nothing", json={"content": "x"})
    assert (answer.status_code, answer.json()["error"]) == (404, "template_not_found")


async def test_a_part_is_named_when_a_change_is_refused(admin) -> None:
    answer = await admin.patch(WELCOME, json={"subject": "{{ 7 * 7 }}"})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_template")
    assert [problem["field"] for problem in answer.json()["data"]["errors"]] == ["subject"]
