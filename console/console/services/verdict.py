"""“Did she get the mail?”: the answer in a sentence, what it rests on, and what to do."""

from dataclasses import dataclass

from console.services.advice import advice_on
from console.services.words import tone
from notifications import NotificationDetail

TAKER = {"email": "mail server", "push": "push service"}


@dataclass(frozen=True, slots=True)
class Verdict:
    headline: str
    text: str = ""
    todo: str = ""
    tone: str = "idle"


def verdict_on(n: NotificationDetail, held_because: str = "") -> Verdict:
    """`held_because`: the reason of the hold that it waits for, if the reader may see it."""
    made = _held(held_because) if n.held_by else _of_status(n)
    return Verdict(made.headline, made.text, made.todo, tone("held" if n.held_by else n.status))


def _of_status(n: NotificationDetail) -> Verdict:  # noqa: PLR0911, C901 - a table of statuses
    reason = advice_on(n.error)
    match n.status:
        case "delivered":
            return Verdict("Yes. The provider has confirmed the delivery.")
        case "sent" if n.test:
            return Verdict("It was sent with a test key, so no provider got it.")
        case "sent":
            return Verdict(*_taken(n))
        case "failed":
            return Verdict("No. It failed.", reason.meaning, reason.todo)
        case "suppressed":
            return Verdict("No. It was not sent, on purpose.", reason.meaning, reason.todo)
        case "cancelled" if n.error == "hold_cancelled":
            return Verdict("No. It was held, and the hold was cancelled.")
        case "cancelled":
            return Verdict("No. It was cancelled before it was sent.")
        case "expired":
            todo = "The caller sends a new one if it is still wanted."
            return Verdict("No. Its time ran out before it could be sent.", todo=todo)
        case "unknown":
            return Verdict("Nobody knows. The provider may have taken it, and did not answer.", *_unrepeated(n))
    return Verdict(*_waiting(n))


def _held(because: str) -> Verdict:
    why = f"It is held because: {because}" if because else "Somebody has held such notifications for now."
    return Verdict(
        "Not yet. It is held.", why, "Look at the hold: it is released or cancelled by people." if because else ""
    )


ASK_THE_LOG = "Look for the notification's id in the provider's log."
IF_MISSING = f"{ASK_THE_LOG} If it is not there, try again."


def _unrepeated(n: NotificationDetail) -> tuple[str, str]:
    """Why the attempt without an answer is not repeated, and what to do."""
    if n.delivery_guarantee == "at_most_once":
        return "It is not sent again by itself: the caller asked for at most one copy.", IF_MISSING
    match n.error:
        case "exhausted":
            return "It was tried until no tries were left; one of them may have arrived.", IF_MISSING
        case "provider_removed":
            return "Only the same provider may repeat it, and that is not configured any more.", IF_MISSING
        case "expired":
            renewed = f"{ASK_THE_LOG} If it is not there, the caller sends a new one if it is still wanted."
            return "Its time ran out before it could be repeated.", renewed
        case _:
            advice = advice_on(n.error)
            return f"It could not be repeated. {advice.meaning}", IF_MISSING if advice.again else ASK_THE_LOG


def _taken(n: NotificationDetail) -> tuple[str, str, str]:
    by = f" ({n.provider})" if n.provider else ""
    taker = TAKER.get(n.notification_type, "provider")
    return (
        f"The {taker}{by} has it.",
        "Whether it was seen is not known: most providers report only what comes back.",
        ""
        if n.notification_type == "push"
        else "If it is not in the inbox, look in the spam folder and in the mail server's log.",
    )


def _waiting(n: NotificationDetail) -> tuple[str, str, str]:
    tries = [step for step in n.timeline if step.status == "retrying"]
    if tries:
        last = tries[-1]
        return "Not yet. It is tried again by itself.", advice_on(last.code).meaning if last.code else "", ""
    if n.send_at and n.status == "pending":
        return "Not yet. It waits for its time.", "", ""
    if n.status == "pending":
        return (
            "Not yet. It waits for the queue, or for a service that is down.",
            "",
            "If it stays so, look at the gateway's /health.",
        )
    return "Not yet. It is in the queue.", "", "If it stays so, look at the worker's /health: a provider may be down."
