"""Why an address gets no mail, in words; and what somebody typed or pasted as addresses."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from console.services.advice import OTHERWISE, advice_on
from console.services.recipients import whom
from notifications import (
    AsyncNotifications,
    FieldProblem,
    NotFound,
    Notification,
    Suppression,
    SuppressionReason,
    Unavailable,
    User,
)

REASONS: tuple[SuppressionReason, ...] = get_args(SuppressionReason)
MAX_TYPED = 1_000  # in one call of the API
ADDRESS_FINGERPRINT = re.compile(r"[0-9a-f]{64}")  # as the suppression list has it
MEANINGS = {
    "bounced": "Mail to it came back: the address does not exist or takes no mail, or five mails in a row came back.",
    "complained": "The recipient marked a mail as unwanted. Mail that is sent all the same makes the sender look like spam.",
    "manual": "Somebody put it on the list, by hand or from a file.",
}
ORIGINS = {
    "delivery": "refused while it was sent",
    "bounce": "a mail came back",
    "complaint": "a complaint came in",
    "api": "added by hand or from a file",
}


CAUSES = {
    ("bounced", "delivery"): "the recipient's mail server refused an earlier mail, because there is no such address",
    ("bounced", "bounce"): "an earlier mail to it came back",
    ("complained", "complaint"): "the recipient marked an earlier mail as unwanted",
    ("manual", "api"): "somebody put it there, by hand or from a file",
}
CAUSES_BY_REASON = {
    "bounced": "it was added as one from which mail comes back",
    "complained": "it was added as one that does not want mail",
    "manual": CAUSES["manual", "api"],
}


@dataclass(frozen=True, slots=True)
class ListCheck:
    """Whether an address is on the suppression list: `suppressed` is its entry. `problem`: why that is not known."""

    known: bool = False
    suppressed: Suppression | None = None
    problem: str = ""


NOT_ASKED = ListCheck()


async def check_list(api: AsyncNotifications, address: str) -> ListCheck:
    """`address` may be its fingerprint. For administrators."""
    try:
        return ListCheck(known=True, suppressed=await api.suppressions.get(address))
    except NotFound:
        return ListCheck(known=True)
    except Unavailable:
        return ListCheck(problem="The e-mail service does not answer, so it is not known now.")


def meaning_of(reason: str) -> str:
    if reason in MEANINGS:
        return MEANINGS[reason]
    known = advice_on(reason)
    return known.meaning if known is not OTHERWISE else "A mail server refused it for this reason."


def meaning_for(entry: Suppression, earlier: Notification | None) -> str:
    """`earlier`: the mail that came back, if it is known. Without it a report may have been the only one, or the fifth."""
    if entry.reason != "bounced" or (entry.origin != "delivery" and earlier is None):
        return meaning_of(entry.reason)
    cause = cause_of(entry)
    return f"{cause[:1].upper()}{cause[1:]}."


def cause_of(entry: Suppression) -> str:
    """What happened to this address, as the end of a sentence."""
    of_reason = CAUSES_BY_REASON.get(entry.reason, "a mail server refused an earlier mail to it")
    return CAUSES.get((entry.reason, entry.origin), of_reason)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has the address, as far as the page that led here knows. `page` is that page, `of` the id of what it shows.

    `user_id`: of the recipient; `is_user`: there is such a user.
    """

    of: str
    page: str
    title: str
    name: str
    user_id: str
    is_user: bool


def owner_in(n: Notification) -> Owner:
    to = whom(n)
    page = f"/notifications/{n.notification_id}"
    return Owner(n.notification_id, page, "The notification", to.name, n.user_id, to.is_user)


def owner_as(user: User) -> Owner:
    return Owner(user.id, f"/users/{user.id}", user.name, user.name, user.id, is_user=True)


def origin_of(origin: str) -> str:
    return ORIGINS.get(origin, origin.replace("_", " "))


def as_fingerprint(text: str) -> str | None:
    """The fingerprint in its one usual form."""
    return text.lower() if ADDRESS_FINGERPRINT.fullmatch(text.lower()) else None


def addresses_of(text: str) -> Sequence[str]:
    """One on each line, or with commas, semicolons or blanks between them; each once."""
    return list(dict.fromkeys(one for one in re.split(r"[\s,;]+", text) if one))


def named(problems: Sequence[FieldProblem], addresses: Sequence[str]) -> Sequence[FieldProblem]:
    """`emails.3` is the address that was typed."""
    return [FieldProblem(_named(one.field, addresses), one.message) for one in problems]


def _named(field: str, addresses: Sequence[str]) -> str:
    name, _, index = field.partition(".")
    known = name == "emails" and index.isdecimal() and int(index) < len(addresses)
    return addresses[int(index)] if known else field
