"""“Did she get the mail?”: the answer and its reason in a sentence, what it rests on, what to do, and where."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

from console.services.advice import OTHERWISE, Advice, advice_of_kind, advice_on
from console.services.mail_codes import mail_code
from console.services.suppressing import NOT_ASKED, ListCheck, cause_of
from console.services.words import tone, words
from notifications import Hold, NotificationDetail, Suppression, User

CLOCKS_DIFFER = timedelta(minutes=1)  # at most, between the gateway's database and the e-mail service's
TAKER = {"email": "our mail server", "push": "the push service"}


@dataclass(frozen=True, slots=True)
class Link:
    href: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`links`: where one does what `todo` says. `words`: what the provider said, or what failed here."""

    headline: str
    text: str = ""
    todo: str = ""
    links: Sequence[Link] = ()
    words: str = ""
    tone: str = "idle"


@dataclass(frozen=True, slots=True)
class Known:
    """What the page knows beside the notification, as far as its reader may see it.

    `user`: the recipient. `list_check`: of the address written to; for a user, of the current address. `moved`: the user's
    address has changed since. `sections`: those that the reader may open.
    """

    hold: Hold | None = None
    user: User | None = None
    list_check: ListCheck = NOT_ASKED
    moved: bool = False
    sections: frozenset[str] = frozenset()


def verdict_on(n: NotificationDetail, known: Known = Known()) -> Verdict:
    made = _held(known.hold) if n.held_by else _of_status(n, known)
    return replace(made, tone=tone("held" if n.held_by else n.status))


def _of_status(n: NotificationDetail, known: Known) -> Verdict:  # noqa: PLR0911, C901 - a table of statuses
    match n.status:
        case "delivered":
            return Verdict("Yes. The provider has confirmed the delivery.")
        case "sent" if n.test:
            return Verdict("It was sent with a test key, so no provider got it.")
        case "sent":
            return Verdict(*_taken(n))
        case "failed" | "suppressed":
            return _not_sent(n, known)
        case "cancelled" if n.error == "hold_cancelled":
            return Verdict("No. It was held, and the hold was cancelled.")
        case "cancelled":
            return Verdict("No. It was cancelled before it was sent.")
        case "expired":
            todo = "The application sends a new one if it is still wanted."
            return Verdict("No. Its time ran out before it could be sent.", todo=todo)
        case "unknown":
            return Verdict("Nobody knows. The provider may have taken it, and did not answer.", *_unrepeated(n))
    return _waiting(n, known)


def _not_sent(n: NotificationDetail, known: Known) -> Verdict:
    advice = _advice(n, known)
    return Verdict(
        f"No. {_meaning(n, advice, known)}",
        todo=_todo(n, advice, known),
        links=_links(n, advice, known),
        words=n.error_detail or "",
    )


def _advice(n: NotificationDetail, known: Known) -> Advice:
    """A bounce without a code for which the address was suppressed: the provider said that the address is dead."""
    if n.error == "bounced" and known.list_check.suppressed and mail_code(n.error_detail) is None:
        return advice_of_kind("bounced", "dead")
    return advice_on(n.error, n.error_detail)


def _meaning(n: NotificationDetail, advice: Advice, known: Known) -> str:
    if n.error and advice is OTHERWISE:
        return f"The reason is “{words(n.error)}”."
    if n.error == "address_suppressed" and known.list_check.known:
        return _why_suppressed(n, known.list_check.suppressed)
    code = mail_code(n.error_detail)
    if n.error == "bounced" and code and code.kind != "unclear":
        return f"The mail came back: {code.words}."
    return advice.meaning


def _why_suppressed(n: NotificationDetail, entry: Suppression | None) -> str:
    """`entry`: of the list as it is now. One that was made after this notification's end does not explain it."""
    if entry is None:
        return "The address was on the suppression list."
    if entry.created_at > (n.ended_at or n.updated_at) + CLOCKS_DIFFER:
        return "The address was on the suppression list then. It was removed, and put there again later."
    return f"The address is on the suppression list: {cause_of(entry)}."


def _todo(n: NotificationDetail, advice: Advice, known: Known) -> str:
    if n.error == "address_suppressed":
        return _of_suppressed(n, advice, known)
    return advice.given if advice.given and _is_given(n) else advice.todo


def _of_suppressed(n: NotificationDetail, advice: Advice, known: Known) -> str:
    if known.list_check.known and not known.list_check.suppressed:
        now = "The user has another address now" if known.moved else "The address is not on the list any more"
        return f"{now}: the application can send a new one."
    if known.list_check.suppressed is None:
        return advice.todo
    again = "remove it from the suppression list, and let the application send a new one."
    match known.list_check.suppressed.reason:
        case "complained":
            return f"Only if the recipient asks for mail again: {again}"
        case "manual":
            return f"If it was put there by mistake: {again}"
    correct = "let the application send a new one to the right address" if _is_given(n) else "correct it at the user"
    return f"If the address is wrong: {correct}. If it is right and works again: {again}"


def _is_given(n: NotificationDetail) -> bool:
    return n.recipient is not None and not n.recipient.is_user


class Retry(Enum):
    """How the page offers another try. `ASKED`: offered in second place, after a question."""

    FIRST = "first"
    ASKED = "asked"
    NOT = "not"


RETRYABLE = frozenset({"failed", "unknown"})


def retry_of(n: NotificationDetail, known: Known = Known()) -> Retry:
    """First only where the verdict says that it can help; not at all to an address that gets no mail."""
    if n.status not in RETRYABLE or known.list_check.suppressed:
        return Retry.NOT
    corrected = known.moved and known.list_check.known
    helps = n.status == "failed" and (advice_on(n.error, n.error_detail).again or corrected)
    return Retry.FIRST if helps else Retry.ASKED


def _links(n: NotificationDetail, advice: Advice, known: Known) -> Sequence[Link]:
    """To the page where the cause is removed; and to the suppression, if the address has one."""
    links = [] if advice.place is None else _to_place(n, advice.place, known)
    if entry := known.list_check.suppressed:
        href = f"/suppressions/{entry.fingerprint}?of={n.notification_id}"
        links.append(Link(href, "See why it is suppressed"))
        if n.error == "address_suppressed" and not _is_given(n):
            links += _to_place(n, "user", known)
    return links


def _to_place(n: NotificationDetail, place: str, known: Known) -> list[Link]:
    match place:
        case "user" if known.user:
            return [Link(f"/users/{known.user.id}", f"Open {known.user.name}")]
        case "template" if "templates" in known.sections:
            return [Link(f"/templates/{n.template_code}", f"Open the template {n.template_code}")]
        case "holds" | "applications" | "system" if place in known.sections:
            return [Link(f"/{place}", TITLES[place])]
    return []


TITLES = {"holds": "Open the holds", "applications": "Open the applications", "system": "See whether everything is up"}


def _held(hold: Hold | None) -> Verdict:
    if hold is None:
        return Verdict("Not yet. It is held.", "Somebody has held such notifications for now.")
    return Verdict(
        "Not yet. It is held.",
        f"It is held because: {hold.reason}",
        "It goes on when somebody releases the hold.",
        [Link(f"/holds#h-{hold.hold_id}", "Open the hold")],
    )


ASK_THE_LOG = "Look for the notification's id in the provider's log."
IF_MISSING = f"{ASK_THE_LOG} If it is not there, try again."


def _unrepeated(n: NotificationDetail) -> tuple[str, str]:
    """Why the attempt without an answer is not repeated, and what to do."""
    if n.delivery_guarantee == "at_most_once":
        return "It is not sent again by itself: the application asked for at most one copy.", IF_MISSING
    match n.error:
        case "exhausted":
            return "It was tried until no tries were left; one of them may have arrived.", IF_MISSING
        case "provider_removed":
            return "Only the same provider may repeat it, and that is not configured any more.", IF_MISSING
        case "expired":
            renewed = f"{ASK_THE_LOG} If it is not there, the application sends a new one if it is still wanted."
            return "Its time ran out before it could be repeated.", renewed
        case _:
            advice = advice_on(n.error)
            return f"It could not be repeated. {advice.meaning}", IF_MISSING if advice.again else ASK_THE_LOG


def _taken(n: NotificationDetail) -> tuple[str, str, str]:
    by = f" ({n.provider})" if n.provider else ""
    taker = TAKER.get(n.notification_type, "the provider")
    if n.notification_type == "push":
        return f"It was sent: {taker}{by} took it.", "Whether it arrived is not known: devices do not report it.", ""
    return (
        f"It was sent: {taker}{by} took it, and it has not come back.",
        "Whether it arrived is not known: most mail servers report only what comes back.",
        "If it is not in the inbox, look in the spam folder and in our mail server's log.",
    )


def _waiting(n: NotificationDetail, known: Known) -> Verdict:
    tries = [step for step in n.timeline if step.status == "retrying"]
    if tries:
        last = tries[-1]
        said = f"The last try ended with “{words(last.code)}”." if last.code else ""
        return Verdict("Not yet. It is tried again by itself.", said, words=last.detail or "")
    if n.send_at and n.status == "pending":
        return Verdict("Not yet. It waits for its time.")
    where = "gateway" if n.status == "pending" else "worker"
    look = f"If it stays so, look at the {where}'s /health."
    links = _to_place(n, "system", known)
    if n.status == "pending":
        return Verdict("Not yet. It waits for the queue, or for a service that is down.", todo=look, links=links)
    return Verdict("Not yet. It is in the queue.", todo=f"{look} A provider may be down.", links=links)
