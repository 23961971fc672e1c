"""Two versions of a template, rendered with variables that the gateway has."""

from typing import Any

import pytest

from contracts.trials import MAX_NAMED_LINKS, TrialFindings, TrialResult
from template_service.services import trials

TEMPLATES = "/api/v1/templates"
PATH = "/internal/templates/trials"
ADA = {"name": "Ada", "link": "https://example.com/a"}


@pytest.fixture(autouse=True)
async def _created(admin, welcome) -> None:
    await admin.post(TEMPLATES, json=welcome)


async def _draft(admin, **parts: object) -> int:
    saved = await admin.patch(f"{TEMPLATES}/welcome_email", json={**parts, "activate": False})
    assert saved.status_code == 200, saved.text
    return int(saved.json()["data"]["version"])


async def _try(service, version: int, *payloads: dict[str, Any], channel: str = "email") -> tuple[TrialResult, ...]:
    ref = {"code": "welcome_email", "language": "en"}
    question = {
        "before": {**ref, "version": 1},
        "after": {**ref, "version": version},
        "payloads": [{"channel": channel, "variables": variables} for variables in payloads],
    }
    answered = await service.post(PATH, json=question)
    assert answered.status_code == 200, answered.text
    return TrialFindings.model_validate(answered.json()["data"]).results


async def test_subjects_and_links_are_compared(admin, service) -> None:
    version = await _draft(
        admin,
        subject="Dear {{ name }}",
        content="<p>{{ name }} <a href='{{ link }}?new'>begin</a> <a href=' https://example.com/help '>help</a></p>",
    )
    (one,) = await _try(service, version, ADA)
    assert (one.before.subject, one.after.subject) == ("Hello Ada", "Dear Ada")
    assert (one.added, one.removed) == (
        ("https://example.com/a?new", "https://example.com/help"), ("https://example.com/a",),
    )  # fmt: skip
    assert (one.links_added, one.links_removed) == (2, 1)
    (same,) = await _try(service, 1, ADA)
    assert (same.links_added, same.links_removed, same.before) == (0, 0, same.after)


async def test_what_cannot_be_rendered_is_said_without_values(admin, service) -> None:
    version = await _draft(admin, content="<p>{{ name }} {{ order.id }} {{ 1 | divided_by: zero }}</p>")
    missing, failing = await _try(
        service, version, ADA, {**ADA, "order": {"id": "secret-id"}, "zero": 0, "name": "secret-name"}
    )
    assert missing.before.error is None
    assert (missing.after.error, missing.after.missing) == ("missing_variables", ("order.id", "zero"))
    assert failing.after.error == "template_render"
    assert "content" in failing.after.message
    assert "secret" not in failing.after.message + missing.after.message
    assert failing.links_removed == 0, "there is nothing to compare"


async def test_a_push_has_its_title_and_its_link(admin, service) -> None:
    version = await _draft(admin, title="Ding, {{ name }}", body="x", link="{{ link }}")
    (one,) = await _try(service, version, ADA, channel="push")
    assert (one.before.subject, one.after.subject, one.added) == ("Hello Ada", "Ding, Ada", ("https://example.com/a",))


async def test_a_version_that_is_not_for_the_channel_says_so(admin, service) -> None:
    version = await _draft(admin, channels="push", title="T", body="B")
    (one,) = await _try(service, version, ADA)
    assert (one.before.error, one.after.error) == (None, "template_not_for_channel")


async def test_a_mail_without_html_has_the_links_of_its_text(admin, service) -> None:
    version = await _draft(admin, content="", text="{{ name }}: {{ link }} or https://example.com/b.")
    (one,) = await _try(service, version, ADA)
    assert one.links_added == 1


async def test_of_many_links_the_first_are_named(admin, service) -> None:
    many = "".join(f"<a href='https://example.com/{number}'>x</a>" for number in range(MAX_NAMED_LINKS + 5))
    version = await _draft(admin, content=f"<p>{many}</p>")
    (one,) = await _try(service, version, ADA)
    assert (one.links_added, len(one.added)) == (MAX_NAMED_LINKS + 5, MAX_NAMED_LINKS)


async def test_a_long_subject_is_cut_off_and_its_length_is_that_of_the_whole(admin, service) -> None:
    version = await _draft(admin, subject="x" * 5_000)
    (one,) = await _try(service, version, ADA)
    assert (len(one.after.subject), one.after.subject_length) == (500, 5_000)


async def test_when_time_is_up_the_answer_has_what_was_rendered(service, monkeypatch) -> None:
    assert len(await _try(service, 1, *[ADA] * 25)) == 25
    monkeypatch.setattr(trials, "_results", _slow(trials._results))
    assert 1 <= len(await _try(service, 1, *[ADA] * 25)) < 25


def _slow(results: Any) -> Any:
    """As if the time were nearly over when rendering begins."""
    return lambda before, after, payloads, until: results(before, after, payloads, until - trials.SECONDS)


async def test_while_others_have_the_turn_there_is_an_answer_all_the_same(app, service, monkeypatch) -> None:
    monkeypatch.setattr(trials, "SECONDS", 0.05)
    async with app.state.render_turns.turn(trials.TRIALS):
        assert await _try(service, 1, ADA) == ()


@pytest.mark.parametrize(
    "ref",
    [
        {"code": "welcome_email", "language": "en", "version": 9},
        {"code": "none", "language": "en", "version": 1},
        {"code": "A B", "language": "en", "version": 1},
        {"code": "welcome_email", "language": "en", "version": 2**40},
    ],
)
async def test_a_version_that_does_not_exist_is_404(service, ref: dict[str, object]) -> None:
    known = {"code": "welcome_email", "language": "en", "version": 1}
    for pair in ({"before": known, "after": ref}, {"before": ref, "after": known}):
        assert (await service.post(PATH, json={**pair, "payloads": []})).status_code == 404


async def test_too_many_payloads_are_refused(service) -> None:
    known = {"code": "welcome_email", "language": "en", "version": 1}
    payloads = [{"channel": "email", "variables": {}}] * 26
    body = {"before": known, "after": known, "payloads": payloads}
    assert (await service.post(PATH, json=body)).status_code == 422
