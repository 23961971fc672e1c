"""Why an address gets no mail, in words; and what somebody typed or pasted as addresses."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from console.services.advice import OTHERWISE, advice_on
from notifications import AsyncNotifications, FieldProblem, NotFound, Suppression, SuppressionReason, Unavailable

REASONS: tuple[SuppressionReason, ...] = get_args(SuppressionReason)
MAX_TYPED = 1_000  # in one call of the API
ADDRESS_FINGERPRINT = re.compile(r"[0-9a-f]{64}")  # as the suppression list has it
MEANINGS = {
    "bounced": "A mail to it came back: the address does not exist or refuses mail for good, or failed five times in a row.",
    "complained": "The recipient marked a mail as unwanted. Mail that is sent all the same makes the sender look like spam.",
    "manual": "Somebody put it on the list, by hand or from a file.",
}
ORIGINS = {
    "delivery": "refused while it was sent",
    "bounce": "a mail came back",
    "complaint": "a complaint came in",
    "api": "added by hand or from a file",
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
