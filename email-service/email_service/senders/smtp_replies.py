"""Reads a mail server's refusals: code, enhanced code, words and the pause it asks for. The table is `smtp_table.py`."""

import re

from delivery.outcomes import Defect, Outcome
from email_service.headers import one_line
from email_service.senders.smtp_phases import Refused
from email_service.senders.smtp_table import MAX_PAUSE_SECONDS, RULES

MAX_DETAIL = 200
MAX_READ = 4_000  # of a reply: what decides stands at its beginning
_ADDRESS = re.compile(r"[^\s<>\"'(),;:=]+@[^\s<>\"'(),;:]+")
# At the beginning of any line of the reply, with Cisco's "#", or at its end in brackets, as qmail writes it.
_ENHANCED = re.compile(r"^\s*#?([45]\.\d{1,3}\.\d{1,3})(?=[\s:;,)-]|$)|\(#([45]\.\d{1,3}\.\d{1,3})\)", re.MULTILINE)
_PAUSE = re.compile(
    r"\b(?:in|for|after|wait)\s+(\d{1,5})\s*(?:(s)(?:ec(?:ond)?s?)?|(m)(?:in(?:ute)?s?)?|(h)(?:(?:ou)?rs?)?)\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\b(?:in|for|after)\s+(\d{1,2}):(\d{2}):(\d{2})\b", re.IGNORECASE)
_UNITS = {"s": 1, "m": 60, "h": 3600}


def outcome_of(refusal: Refused) -> Outcome:
    text = refusal.text[:MAX_READ]
    codes = f"{refusal.code} {enhanced_code(text) or '-'}"
    words = " ".join(_ADDRESS.sub("", text).split())  # who it is about must not decide what is meant
    detail = wording(f"{refusal.code} {refusal.text}")
    for rule in RULES:
        if (
            refusal.phase in rule.phases
            and rule.codes.match(codes)
            and (rule.words is None or rule.words.search(words))
        ):
            return rule.meaning(detail, pause_asked_for(words))
    return Defect("smtp_protocol", detail)


def enhanced_code(text: str) -> str | None:
    """`text` is what follows the reply's codes, one line for each of its own."""
    found = _ENHANCED.search(text)
    return (found[1] or found[2]) if found else None


def pause_asked_for(words: str) -> float | None:
    """Seconds, of "Greylisted for 300 seconds", "try again in 5 minutes", "come back in 00:05:00"; an hour at most."""
    if clock := _CLOCK.search(words):
        hours, minutes, seconds = (int(part) for part in clock.groups())
        asked = hours * 3600 + minutes * 60 + seconds
    elif pause := _PAUSE.search(words):
        asked = int(pause[1]) * _UNITS[(pause[2] or pause[3] or pause[4]).lower()]
    else:
        return None
    return min(float(asked), MAX_PAUSE_SECONDS)


def wording(text: str) -> str:
    """The server's words as they may be kept: one line of valid Unicode, short, without addresses."""
    readable = one_line(text.encode("utf-8", "replace").decode())  # the reply's odd bytes come as lone surrogates
    return _ADDRESS.sub("<address>", readable)[:MAX_DETAIL]
