"""What pages say, without HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from console.services.advice import ADVICE
from console.services.finding import Kind, Wanted, kind_of
from console.services.recipients import whom
from console.services.suppressing import ListCheck
from console.services.timeline import WHOLE, steps_of
from console.services.verdict import Known, retry_can_help, verdict_on
from console.services.words import size, span, tone, utc
from contracts.status import Status
from notifications import NotificationDetail, Recipient, Suppression, TimelineEntry, User

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def entry(status: str, after: float) -> TimelineEntry:
    at = NOON + timedelta(seconds=after)
    return TimelineEntry.model_construct(
        status=status, at=at, attempts=None, code=None, detail=None, provider=None, provider_timestamp=None
    )


def detail(
    status: str, *timeline: TimelineEntry, error: str | None = None, guarantee: str = "at_least_once"
) -> NotificationDetail:
    return NotificationDetail.model_construct(
        status=status, timeline=list(timeline), error=error, test=False, provider="smtp", notification_type="email",
        send_at=None, delivery_guarantee=guarantee, error_detail=None, template_code="welcome", recipient=None,
    )  # fmt: skip


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_an_answer_and_a_colour(status: Status) -> None:
    said = verdict_on(detail(status))
    assert said.headline.endswith(".")
    assert said.tone == tone(status)
    assert (said.tone == "bad") is (status is Status.FAILED)


def recipient(*, is_user: bool) -> Recipient:
    return Recipient(is_user=is_user, name="Ada", email="a***@example.com", fingerprint=None, devices=None, topic=None)


ADA = User.model_construct(id="7", name="Ada")
ENTRY = Suppression(fingerprint="f" * 64, masked="a***@example.com", reason="bounced", origin="bounce", created_at=NOON)
ALL = frozenset({"users", "templates", "holds", "applications", "system", "suppressions"})


@pytest.mark.parametrize(
    ("error", "known", "links"),
    [
        ("bounced", Known(user=ADA), ["/users/7"]),
        (
            "bounced",
            Known(user=ADA, list_check=ListCheck(known=True, suppressed=ENTRY)),
            ["/users/7", f"/suppressions/{'f' * 64}"],
        ),
        ("bounced", Known(), []),
        ("render_failed", Known(sections=ALL), ["/templates/welcome"]),
        ("render_failed", Known(), []),
        ("invalid_sender", Known(sections=ALL), ["/applications"]),
        ("exhausted", Known(sections=ALL), ["/system"]),
        ("hold_cancelled", Known(sections=ALL), ["/holds"]),
        ("user_not_found", Known(sections=ALL), []),
    ],
)
def test_a_failure_leads_to_the_page_where_its_cause_is_removed(error: str, known: Known, links: list[str]) -> None:
    said = verdict_on(detail("failed", error=error), known)
    assert [link.href for link in said.links] == links
    assert said.headline == f"No. {ADVICE[error].meaning}"
    assert said.todo == ADVICE[error].todo


def test_what_to_do_about_an_address_depends_on_who_named_it() -> None:
    failed = detail("failed", error="bounced")
    said = [verdict_on(failed.model_copy(update={"recipient": recipient(is_user=one)})).todo for one in (True, False)]
    assert said == [ADVICE["bounced"].todo, "The caller has to send a new one, to the right address."]


@pytest.mark.parametrize(
    ("error", "is_user", "helps"),
    [("bounced", True, True), ("bounced", False, False), ("render_failed", False, True), (None, False, True)],
)
def test_another_try_to_the_same_bad_address_is_not_offered_first(error: str, is_user: bool, helps: bool) -> None:
    failed = detail("failed", error=error).model_copy(update={"recipient": recipient(is_user=is_user)})
    assert retry_can_help(failed) is helps


def test_a_reason_without_words_is_named() -> None:
    assert verdict_on(detail("failed", error="something_new")).headline == "No. The reason is “something new”."


@pytest.mark.parametrize(
    ("shown", "name", "at"),
    [
        (None, "", ""),
        (recipient(is_user=True), "Ada", "a***@example.com"),
        (recipient(is_user=False).model_copy(update={"name": None}), "", "a***@example.com"),
        (recipient(is_user=True).model_copy(update={"email": None, "devices": 1}), "Ada", "1 device"),
        (recipient(is_user=True).model_copy(update={"email": None, "devices": 3}), "Ada", "3 devices"),
        (recipient(is_user=False).model_copy(update={"name": None, "email": None, "topic": "news"}), "", "news"),
    ],
)
def test_a_recipient_in_words(shown: Recipient | None, name: str, at: str) -> None:
    said = whom(detail("sent").model_copy(update={"recipient": shown}))
    assert (said.name, said.at, said.known) == (name, at, bool(name or at))
    assert said.is_user is (shown is None or shown.is_user)


def test_a_notification_that_is_tried_again_says_so() -> None:
    assert "tried again by itself" in verdict_on(detail("queued", entry("accepted", 0), entry("retrying", 1))).headline


@pytest.mark.parametrize(
    ("error", "guarantee", "text", "todo"),
    [
        ("no_response", "at_most_once", "at most one copy", "try again"),
        ("worker_lost", "at_most_once", "at most one copy", "try again"),
        ("exhausted", "at_least_once", "no tries were left", "try again"),
        ("provider_removed", "at_least_once", "not configured any more", "try again"),
        ("expired", "at_least_once", "time ran out", "sends a new one"),
        ("render_failed", "at_least_once", "template does not fit", "try again"),
        ("recipient_gone", "at_least_once", "device was removed", "provider's log."),
        ("opted_out", "at_least_once", "does not want this channel", "provider's log."),
    ],
)
def test_what_is_unknown_says_why_it_is_not_repeated(error: str, guarantee: str, text: str, todo: str) -> None:
    said = verdict_on(detail("unknown", error=error, guarantee=guarantee))
    assert text in said.text
    assert said.todo.endswith((f"{todo}.", todo, f"{todo} if it is still wanted."))


def test_the_picture_fills_its_width_in_order() -> None:
    steps = steps_of(
        detail("sent", entry("accepted", 0), entry("queued", 0.004), entry("sent", 1), entry("delivered", 4))
    )
    assert [step.after for step in steps] == ["", "+4 ms", "+1.0 s", "+4.0 s"]
    assert all(0 <= step.left < step.left + step.width <= WHOLE for step in steps)
    assert steps[-1].left + steps[-1].width == WHOLE
    assert [step.left for step in steps] == sorted(step.left for step in steps)


def test_steps_of_one_moment_are_still_seen() -> None:
    assert all(step.width > 0 for step in steps_of(detail("sent", entry("accepted", 0), entry("sent", 0))))
    assert steps_of(detail("pending")) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", Kind.NOTHING),
        ("ada@example.com", Kind.ADDRESS),
        ("01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d", Kind.ID),
        ("order-7", Kind.NAME),
        ("a@b c", Kind.NAME),
    ],
)
def test_what_was_typed_is_recognised(text: str, kind: Kind) -> None:
    assert kind_of(text) is kind


def test_only_a_search_by_name_looks_at_any_time() -> None:
    assert Wanted().created_after(NOON) == NOON - timedelta(days=1)
    assert Wanted(template="x", since="7d").created_after(NOON) == NOON - timedelta(days=7)
    assert Wanted(q="ada@example.com").created_after(NOON) is None
    assert Wanted(q="ada@example.com", since="30d").created_after(NOON) == NOON - timedelta(days=30)
    assert Wanted(since="any").created_after(NOON) is None


def test_numbers_for_people() -> None:
    assert [span(one) for one in (0.0004, 0.25, 1.25, 42, 600, 36_000, 400_000)] == [
        "0 ms", "250 ms", "1.2 s", "42 s", "10 min", "10 h", "5 days",
    ]  # fmt: skip
    assert [size(one) for one in (0, 1023, 2048, 3 * 1024 * 1024)] == ["0 B", "1023 B", "2 KiB", "3 MiB"]
    assert utc(datetime(2026, 1, 5, 9, 30, tzinfo=UTC)) == "05 Jan 2026 09:30:00"
