"""A table that maps a mail server's replies to outcomes."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from delivery.outcomes import AccountRefused, Defect, Outcome, Permanent, ProviderDown, RetryLater
from email_service.mime import one_line
from email_service.senders.smtp.dialogue import Phase, Refused

# One table gives the meaning of a mail server's refusals. The first rule that fits decides.
#
# Sources. Codes: RFC 5321, 4.2 and 4.5.3.1.10 (552 for too many recipients); RFC 4954, 6 and RFC 5248 (422 to 538 about our
# login); RFC 7504 (521, 556). Enhanced codes: RFC 3463 and IANA's registry, which adds RFC 7505 (X.1.10), RFC 7293 (X.7.17),
# RFC 7372 (X.7.20 to 26), RFC 6710 (X.7.15), RFC 6531, 3.7.4 (X.6.7).
# Providers with codes and texts of their own:
# Gmail support.google.com/a/answer/3726730; Microsoft 365 learn.microsoft.com/exchange/troubleshoot/email-delivery/ndr;
# Amazon SES docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html, .../troubleshoot-error-messages.html and
# .../manage-sending-quotas-errors.html; SendGrid twilio.com/docs/sendgrid (SMTP errors); Postfix postfix.org/postconf.5.html
# (relay and sender restrictions); Zoho's 5.4.6 and 5.1.8, qmail's code in brackets: as seen.

MAX_PAUSE_SECONDS = 3600.0  # a server that asks for a longer pause is tried again after this time

Meaning = Callable[[str, float | None], Outcome]


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """`codes` are matched with "550 5.1.1" or, without an enhanced code, "550 -"; `words` are searched for in the text."""

    phases: frozenset[Phase]
    codes: re.Pattern[str]
    words: re.Pattern[str] | None
    meaning: Meaning


def _for_now(code: str) -> Meaning:
    return lambda detail, pause: RetryLater(code, detail, pause)


def _never(code: str) -> Meaning:
    return lambda detail, _: Permanent(code, detail)


def _dead(code: str) -> Meaning:
    """The address is dead: nothing is sent to it again."""
    return lambda detail, _: Permanent(code, detail, dead_recipient=True)


def _down(code: str) -> Meaning:
    return lambda detail, pause: ProviderDown(code, detail, pause)


def _account(code: str) -> Meaning:
    """Our account has to be fixed; the recipient does not matter."""
    return lambda detail, pause: AccountRefused(code, detail, pause)


def _defect(code: str) -> Meaning:
    return lambda detail, _: Defect(code, detail)


MAIL = frozenset({Phase.MAIL})
RCPT = frozenset({Phase.RCPT})
AFTER_MAIL = frozenset({Phase.RCPT, Phase.DATA, Phase.DOT})
MESSAGE = frozenset({Phase.DATA, Phase.DOT})
ANY = frozenset(Phase)

# Words of refusals that concern our account. Refusals for a recipient's full mailbox or closed account use other words.
LOGIN = (
    r"authentication (is )?(required|failed|unsuccessful|credentials)|must (first )?(authenticate|log ?in)"
    r"|(need|send) auth|please (authenticate|log ?in)|client was not authenticated|must issue a? ?starttls"
)
QUOTA = (
    r"daily .{0,40}(quota|limit)|maximum credits|out of credits|unusual sending activity"
    r"|(hourly|monthly|sending|send|outgoing|relay|messaging) (mail |e-?mail |message )?(quota|limit)s?\b"
    r".{0,30}(exceed|reach)"
    r"|exceeded (your|the) (hourly |monthly |sending |send |outgoing |messaging |message |e-?mail )?(quota|limit)"
    r"|exceeded the max (e-?mails|defers)"
)
SUSPENDED = (
    r"sending (has been |is |was )?(temporarily )?(paused|suspended|disabled|blocked|denied)"
    r"|(paused|suspended|disabled|blocked|banned|closed) (for )?(this|your) account"
    r"|(your|sender'?s|sending|smtp) (smtp |e-?mail )?account (has been |is |was )?"
    r"(not (yet )?|under |on |temporarily )?"
    r"(suspended|disabled|blocked|banned|locked|inactive|restricted|closed|deactivated|activated|review|hold)"
    r"|account .{0,30}(not (yet )?(activated|enabled|approved)|pending approval)"
    r"|e?-?mail (outgoing|sending) (is )?(blocked|denied)|sandbox subdomain|free accounts are for test"
)
ACCOUNT_ENDED = r"account .{0,20}(suspended|disabled|blocked|locked|restricted|deactivated|closed|paused)"
RELAY = (
    r"relay(ing)?\b.{0,40}(denied|disallowed|prohibited|rejected|disabled|not (permitted|allowed|authori[sz]ed))"
    r"|(unable|not (permitted|allowed|authori[sz]ed)) to relay|(cannot|do(es)? not|don't) relay"
    r"|invalid credentials for relay|allowed rcpthosts"
)
SENDER = (
    r"(address|identit(y|ies)|domain|sender|signature)\b.{0,20} (is|are|was|were|has|have)(n't| not) (been )?"
    r"(verified|confirmed)"
    r"|verified sender|sender identity|unauthenticated senders|unconfigured sending domain"
    r"|send ?as ?denied|(permissions?|allowed|authori[sz]ed|may not|cannot) (to )?send as|not owned by"
    r"|(not (allowed|authori[sz]ed|permitted)|unauthori[sz]ed) to"
    r" (send (?>e?-?mails? |messages? )?(from|on behalf|using)|perform|use)"
    r"|(sender( e?-?mail)?|from( e?-?mail)? address)\b.{0,40} (rejected|refused|not (allowed|authori[sz]ed|permitted))"
    r"|sender verify failed|domain .{0,80} is not allowed to send"
)
SENDER_PROOF = (
    r"unauthenticated (e-?mail|mail|message)"
    r"|\b(spf|dkim|dmarc)\b.{0,80}(fail|reject|pass|policy|required|missing|not accepted)"
)
CLIENT = (
    r"client host.{0,120}(blocked|rejected|denied)|messages from .{0,60}weren't sent"
    r"|\bip\b( address)?.{0,60}(blocked|banned|listed|blacklisted|blocklisted|not (authori[sz]ed|allowed|permitted|accepted)"
    r"|unauthori[sz]ed)|(banned|unauthori[sz]ed) (sending |sender )?ip\b"
)
TRY_LATER = (
    r"gr[ea]y-?list|try(ing)? (again|later|it later)|temporar|rate.?limit|throttl|too (many|frequent)"
    r"|too (quickly|fast)|at a rate that"
)
FULL = (
    r"(mailbox|inbox|account).{0,30}(full|over ?quota|exceeded)|over ?quota|quota (is |has been )?exceeded"
    r"|(out of|insufficient|exceeded|not enough)( disk| system)? (storage|space)"
)

# Refusals of the address in From, or of its domain.
OF_THE_SENDER = frozenset({"sender_refused", "sender_not_authenticated"})

# Codes that only say "refused", so the words decide. (Some servers use X.4.0 and X.0.0 for anything.)
VAGUE = r"5\d\d (-|5\.(0|1|2|3|4|5|7)\.0|5\.7\.1)$"

RULES: tuple[ReplyRule, ...] = tuple(
    ReplyRule(phases, re.compile(codes), re.compile(words, re.IGNORECASE) if words else None, meaning)
    for phases, codes, words, meaning in (
        # Refusals because of this message, in any phase.
        (ANY, r"5\d\d 5\.6\.7$", "", _never("address_not_supported")),
        (MAIL, r"555", "", _never("address_not_supported")),  # SMTPUTF8 is the only parameter that we send
        (ANY, r"5\d\d 5\.(3\.4|2\.3|7\.16)$", "", _never("too_large")),
        # Refusals because of the recipient: no such mailbox (1.1), host (1.2), syntax (1.3), moved (1.6), null MX (1.10,
        # 556); disabled (2.1), another owner (7.17, 18). Gmail also answers 5.2.1 when a recipient gets mail too often.
        (AFTER_MAIL, r"5\d\d 5\.2\.1$", r"too (quickly|fast)|at a rate that", _for_now("throttled")),
        (AFTER_MAIL, r"5\d\d 5\.(1\.(1|2|3|6|10)|2\.1|7\.1[78])$|556 -$", "", _dead("bounced")),
        # Exchange: a group or mailbox that only accepts mail from its own organisation.
        (AFTER_MAIL, r"5", r"RESOLVER\.RST|for group", _never("rejected")),
        # Our account: every message is refused until an operator repairs it.
        (ANY, r"53[0458]|52[45]|\d+ [45]\.7\.(8|9|10|11|12|13|14|57|139)$", "", _account("smtp_login")),
        (ANY, r"503", r"auth|log ?in", _account("smtp_login")),
        # As in RFC 3463; the rule below is for Zoho.
        (AFTER_MAIL, r"5\d\d 5\.4\.6$", r"\bloop|\bhop", _never("rejected")),
        (ANY, r"\d+ 5\.(4\.[56]|1\.90|7\.23[23])$", "", _account("quota_exceeded")),
        (ANY, r"[45]", QUOTA, _account("quota_exceeded")),
        (ANY, r"5\d\d 5\.7\.", r"(quota|limit) exceeded", _account("quota_exceeded")),
        (ANY, r"\d+ [45]\.7\.(2[0-7]|30|509|515)$", "", _account("sender_not_authenticated")),
        (ANY, r"\d+ 5\.(1\.[78]|7\.60|2\.252)$", "", _account("sender_refused")),
        (ANY, r"\d+ 5\.7\.(50[12368]|511|6\d\d|705|708|750)$", "", _account("account_blocked")),
        (ANY, r"\d+ 5\.7\.64$", "", _account("relay_denied")),
        (ANY, r"[45]", SUSPENDED, _account("account_blocked")),
        (MESSAGE, r"5", ACCOUNT_ENDED, _account("account_blocked")),
        (ANY, r"[45]", RELAY, _account("relay_denied")),
        (ANY, VAGUE, LOGIN, _account("smtp_login")),
        (ANY, VAGUE, SENDER_PROOF, _account("sender_not_authenticated")),
        (ANY, VAGUE, SENDER, _account("sender_refused")),
        (ANY, VAGUE, CLIENT, _account("client_blocked")),
        # The server itself, or our connection to it. 454: no TLS or no login for now; SES uses it when we are too fast.
        (ANY, r"454 (-|4\.7\.0)$", r"^(?!.*throttl)", _down("smtp_unavailable")),
        (MAIL, r"421", "", _down("smtp_unavailable")),
        # We and the server disagree on the state. A new transaction repairs it.
        (ANY, r"503", "", _defect("smtp_sequence")),
        # Not now. When a code and its enhanced code disagree, the milder one counts.
        (AFTER_MAIL, r"421|432|454", "", _for_now("throttled")),
        (AFTER_MAIL, r"5\d\d (4\.2\.2|5\.2\.2)$", "", _for_now("mailbox_full")),  # a full mailbox gets emptied
        # Or "too many recipients": the recipient is the first.
        (RCPT, r"552 (-|5\.5\.3)$", "", _for_now("mailbox_full")),
        # 450, 451, 452 and every other 4yz code, if no rule above fits: QUOTA, SUSPENDED and RELAY match some by words. Which
        # of them are about the recipient's domain: `domains.py`.
        (ANY, r"4|\d+ 4\.", "", _for_now("deferred")),
        (AFTER_MAIL, r"5\d\d 5\.7\.(15|28)$", "", _for_now("throttled")),
        (AFTER_MAIL, r"5\d\d 5\.(3\.1|5\.3)$", "", _for_now("deferred")),
        (AFTER_MAIL, VAGUE, FULL, _for_now("mailbox_full")),
        (AFTER_MAIL, VAGUE, TRY_LATER, _for_now("deferred")),
        # Never.
        (MAIL, r"5", "", _account("sender_refused")),  # MAIL says only our own address
        # Without an enhanced code "550" may also be about us, so it is no reason to suppress an address.
        (RCPT, r"(521|55[013]) (-|5\.[01]\.)", "", _never("bounced")),
        (MESSAGE, r"(552|523) (-|5\.[0235]\.)", "", _never("too_large")),
        (ANY, r"5", "", _never("rejected")),
    )
)


MAX_DETAIL = 200
MAX_READ = 4_000  # characters of a reply: the deciding part is at its beginning
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
    words = " ".join(_ADDRESS.sub("", text).split())  # an address in the text must not decide the meaning
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
    """`text` is the reply without its codes; it has the same lines as the reply."""
    found = _ENHANCED.search(text)
    return (found[1] or found[2]) if found else None


def pause_asked_for(words: str) -> float | None:
    """Seconds in "Greylisted for 300 seconds", "try again in 5 minutes", "come back in 00:05:00"; at most an hour."""
    if clock := _CLOCK.search(words):
        hours, minutes, seconds = (int(part) for part in clock.groups())
        asked = hours * 3600 + minutes * 60 + seconds
    elif pause := _PAUSE.search(words):
        asked = int(pause[1]) * _UNITS[(pause[2] or pause[3] or pause[4]).lower()]
    else:
        return None
    return min(float(asked), MAX_PAUSE_SECONDS)


def wording(text: str) -> str:
    """The server's text in a form that may be stored: one short line of valid Unicode, without addresses."""
    readable = one_line(text.encode("utf-8", "replace").decode())  # invalid bytes of the reply are lone surrogates
    return _ADDRESS.sub("<address>", readable)[:MAX_DETAIL]
