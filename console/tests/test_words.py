"""What pages say, without HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from console.services.advice import ADVICE, BY_CODE, advice_on
from console.services.finding import Kind, Wanted, kind_of
from console.services.mail_codes import OF_SUBJECT, WORDS, explained, mail_code
from console.services.recipients import whom
from console.services.suppressing import ListCheck, cause_of
from console.services.timeline import WHOLE, steps_of
from console.services.verdict import Known, Retry, retry_of, verdict_on
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
    status: str,
    *timeline: TimelineEntry,
    error: str | None = None,
    guarantee: str = "at_least_once",
    said: str | None = None,
) -> NotificationDetail:
    return NotificationDetail.model_construct(
        status=status, timeline=list(timeline), error=error, test=False, provider="smtp", notification_type="email",
        send_at=None, delivery_guarantee=guarantee, error_detail=said, template_code="welcome", recipient=None,
        notification_id="5", ended_at=NOON, updated_at=NOON,
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
            ["/users/7", f"/suppressions/{'f' * 64}?of=5"],
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
    advice = BY_CODE["bounced", "dead"] if error == "bounced" and known.list_check.suppressed else ADVICE[error]
    assert (said.headline, said.todo) == (f"No. {advice.meaning}", advice.todo)


@pytest.mark.parametrize(
    ("said", "words", "kind"),
    [
        ("5.2.2", "the recipient's mailbox is full", "full"),
        ("452 4.2.2 Over quota", "the recipient's mailbox is full", "full"),
        ("550 5.1.1 No such user", "there is no such mailbox", "dead"),
        ("550-5.1.10 null MX", "the address's domain takes no mail", "dead"),
        ("Sorry, no mailbox here (#5.1.1)", "there is no such mailbox", "dead"),
        ("5.2.1", "the mailbox is disabled", "dead"),
        ("5.7.17", "the mailbox belongs to somebody else now", "dead"),
        ("552 5.3.4 too big", "the mail is larger than the recipient's mail server allows", "size"),
        ("554 5.7.1 refused", WORDS["7.1"], "policy"),
        ("5.7.999", OF_SUBJECT["7"], "policy"),
        ("550 5.1.8 sender", "our sender's domain does not exist, or takes no mail", "sender"),
        ("450 4.1.1 greylisted", "there is no such mailbox", "later"),
        ("4.4.7", "the recipient's mail server could not be reached for too long", "later"),
        ("5.0.0", "no exact reason is given", "unclear"),
        ("5.9.9", "no exact reason is given", "unclear"),
    ],
)
def test_a_code_in_words(said: str, words: str, kind: str) -> None:
    code = mail_code(said)
    assert code is not None
    assert (code.words, code.kind) == (words, kind)
    assert explained(said) == f"{code.code}: {words}."


@pytest.mark.parametrize("said", [None, "", "550 no such user", "250 2.1.5 ok", "host 5.1.1.9 refused", "see 5.1.1"])
def test_what_has_no_code(said: str | None) -> None:
    assert mail_code(said) is None
    assert explained(said) == ""


@pytest.mark.parametrize("dead", ["1.1", "1.2", "1.3", "1.6", "1.10", "2.1", "4.4", "7.17", "7.18"])
def test_an_address_is_dead_for_the_console_when_the_mail_worker_suppresses_it(dead: str) -> None:
    assert advice_on("bounced", f"5.{dead}") is BY_CODE["bounced", "dead"]
    assert advice_on("bounced", f"4.{dead}") is BY_CODE["bounced", "later"]


@pytest.mark.parametrize(
    ("said", "headline", "todo"),
    [
        ("5.2.2", "the recipient's mailbox is full", "The address is right."),
        ("550 5.1.1 unknown", "there is no such mailbox", "Correct the address"),
        ("5.3.4", "the mail is larger", "Shorten the template"),
        ("5.7.1", "does not accept it", "the address itself is not the problem"),
        ("5.1.8", "our sender's domain", "Correct FROM_EMAIL"),
        ("4.4.7", "could not be reached", "Try again later"),
        (None, "no code says why", "See what the mail server answered"),
        ("5.0.0", "no code says why", "See what the mail server answered"),
    ],
)
def test_why_a_mail_came_back_and_what_to_do_depend_on_the_code(said: str | None, headline: str, todo: str) -> None:
    verdict = verdict_on(detail("failed", error="bounced", said=said))
    assert verdict.headline.startswith("No. The mail came back")
    assert headline in verdict.headline
    assert todo in verdict.todo


def test_a_full_mailbox_is_told_from_other_reasons_to_give_up() -> None:
    assert "mailbox was full" in verdict_on(detail("failed", error="exhausted", said="452 4.2.2 full")).headline
    assert "not now" in verdict_on(detail("failed", error="exhausted", said="451 4.7.1 slow")).headline


@pytest.mark.parametrize(
    ("reason", "origin", "cause", "todo"),
    [
        ("bounced", "bounce", "an earlier mail to it came back", "correct it at the user"),
        ("bounced", "delivery", "there is no such address", "correct it at the user"),
        ("bounced", "api", "added as one from which mail comes back", "correct it at the user"),
        ("complained", "complaint", "marked an earlier mail as unwanted", "if the recipient asks"),
        ("manual", "api", "somebody put it there", "by mistake"),
        ("something_new", "delivery", "refused an earlier mail", "correct it at the user"),
    ],
)
def test_a_suppressed_address_says_which_of_the_reasons_it_was(reason: str, origin: str, cause: str, todo: str) -> None:
    entry = ENTRY.model_copy(update={"reason": reason, "origin": origin})
    known = Known(list_check=ListCheck(known=True, suppressed=entry))
    said = verdict_on(detail("suppressed", error="address_suppressed"), known)
    assert said.headline == f"No. The address is on the suppression list: {cause_of(entry)}."
    assert cause in said.headline
    assert todo in said.todo


def test_what_is_on_the_list_since_then_does_not_explain_an_earlier_mail() -> None:
    n = detail("suppressed", error="address_suppressed")
    later = ENTRY.model_copy(update={"created_at": n.updated_at + timedelta(hours=1)})
    said = verdict_on(n, Known(list_check=ListCheck(known=True, suppressed=later))).headline
    assert said == "No. The address was on the suppression list then. It was removed, and put there again later."


def test_a_suppressed_address_that_is_free_now_says_so() -> None:
    n, free = detail("suppressed", error="address_suppressed"), ListCheck(known=True)
    assert verdict_on(n, Known(list_check=free)).headline == "No. The address was on the suppression list."
    assert "not on the list any more" in verdict_on(n, Known(list_check=free)).todo
    assert "another address now" in verdict_on(n, Known(list_check=free, moved=True)).todo


def test_what_to_do_about_an_address_depends_on_who_named_it() -> None:
    failed = detail("failed", error="bounced", said="5.1.1")
    said = [verdict_on(failed.model_copy(update={"recipient": recipient(is_user=one)})).todo for one in (True, False)]
    advice = BY_CODE["bounced", "dead"]
    assert said == [advice.todo, "The application that sent it has to send a new one, to the right address."]
    assert advice.todo == "Correct the address at the user, then try again."


FREE, SUPPRESSED = ListCheck(known=True), ListCheck(known=True, suppressed=ENTRY)


@pytest.mark.parametrize(
    ("status", "error", "said", "known", "offer"),
    [
        ("failed", "bounced", "5.1.1", Known(), Retry.ASKED),
        ("failed", "bounced", "5.1.1", Known(list_check=SUPPRESSED), Retry.NOT),
        ("failed", "bounced", "5.1.1", Known(list_check=FREE), Retry.ASKED),
        ("failed", "bounced", "5.1.1", Known(list_check=FREE, moved=True), Retry.FIRST),
        ("failed", "bounced", "5.1.1", Known(moved=True), Retry.ASKED),
        ("failed", "bounced", "5.2.2", Known(list_check=FREE), Retry.FIRST),
        ("failed", "bounced", None, Known(list_check=FREE), Retry.ASKED),
        ("failed", "render_failed", None, Known(), Retry.FIRST),
        ("failed", "render_failed", None, Known(list_check=SUPPRESSED), Retry.NOT),
        ("failed", "user_not_found", None, Known(), Retry.ASKED),
        ("unknown", "worker_lost", None, Known(), Retry.ASKED),
        ("sent", None, None, Known(), Retry.NOT),
    ],
)
def test_another_try_is_offered_first_only_where_it_can_help(
    status: str, error: str | None, said: str | None, known: Known, offer: Retry
) -> None:
    assert retry_of(detail(status, error=error, said=said), known) is offer


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
    assert Wanted(q="ada@example.com", since="1d").created_after(NOON) == NOON - timedelta(days=1)


def test_numbers_for_people() -> None:
    assert [span(one) for one in (0.0004, 0.25, 1.25, 42, 600, 36_000, 400_000)] == [
        "0 ms", "250 ms", "1.2 s", "42 s", "10 min", "10 h", "5 days",
    ]  # fmt: skip
    assert [size(one) for one in (0, 1023, 2048, 3 * 1024 * 1024)] == ["0 B", "1023 B", "2 KiB", "3 MiB"]
    assert utc(datetime(2026, 1, 5, 9, 30, tzinfo=UTC)) == "05 Jan 2026 09:30:00"
