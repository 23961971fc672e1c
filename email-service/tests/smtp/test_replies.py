"""Each row of the table, and what may not come out of it."""

import time

import pytest

from delivery.outcomes import AccountRefused, Defect, Permanent, ProviderDown, RetryLater
from email_service.senders.smtp.dialogue import Phase, Refused
from email_service.senders.smtp.replies import enhanced_code, outcome_of, pause_asked_for, wording

MAIL, RCPT, DATA, DOT = Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT
ANY = [MAIL, RCPT, DATA, DOT]
AFTER_MAIL = [RCPT, DATA, DOT]


def meaning(phase: Phase, reply: str) -> tuple[type, str]:
    outcome = outcome_of(Refused(phase, int(reply[:3]), reply[4:]))
    return type(outcome), outcome.code


def holds(phases: list[Phase], reply: str, kind: type, code: str) -> None:
    assert {phase: meaning(phase, reply) for phase in phases} == dict.fromkeys(phases, (kind, code))


ACCOUNT = [
    (ANY, "530 5.7.0 Authentication required", "smtp_login"),
    (ANY, "530 Authentication required", "smtp_login"),
    (ANY, "530 5.7.0 Must issue a STARTTLS command first", "smtp_login"),
    (ANY, "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM", "smtp_login"),
    (ANY, "535 5.7.8 Username and Password not accepted", "smtp_login"),
    (ANY, "535 Authentication Credentials Invalid", "smtp_login"),
    (ANY, "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect", "smtp_login"),
    (ANY, "534 5.7.9 Application-specific password required", "smtp_login"),
    (ANY, "538 5.7.11 Encryption required for requested authentication mechanism", "smtp_login"),
    (ANY, "524 5.7.11 Encryption required", "smtp_login"),
    (ANY, "525 5.7.13 User account disabled", "smtp_login"),
    (ANY, "550 5.7.13 User account disabled", "smtp_login"),
    (ANY, "432 4.7.12 A password transition is needed", "smtp_login"),
    (ANY, "503 5.5.1 Error: send AUTH command first", "smtp_login"),
    (AFTER_MAIL, "550 5.7.1 Authentication required", "smtp_login"),
    (AFTER_MAIL, "554 5.7.0 Please authenticate first", "smtp_login"),
    (ANY, "550 5.4.5 Daily user sending limit exceeded", "quota_exceeded"),
    (ANY, "550 5.4.5 Daily SMTP relay limit exceeded for customer", "quota_exceeded"),
    (ANY, "550 5.4.5", "quota_exceeded"),
    (ANY, "550 5.4.6 Unusual sending activity detected", "quota_exceeded"),
    (ANY, "550 5.7.1 Email quota exceeded", "quota_exceeded"),
    (ANY, "550 5.1.90 Your message can't be sent because you've reached your daily limit", "quota_exceeded"),
    (ANY, "550 5.7.233 Your tenant exceeded its daily limit for external recipients", "quota_exceeded"),
    (ANY, "454 Throttling failure: Daily message quota exceeded", "quota_exceeded"),
    (ANY, "451 Authentication failed: Maximum credits exceeded", "quota_exceeded"),
    (ANY, "451 You have exceeded your messaging limits", "quota_exceeded"),
    (ANY, "550 You have exceeded your hourly quota", "quota_exceeded"),
    (ANY, "552 5.7.0 Sending limit has been reached for this account", "quota_exceeded"),
    (AFTER_MAIL, "550 Domain example.com has exceeded the max emails per hour (200/200) allowed", "quota_exceeded"),
    (ANY, "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "sender_refused"),
    (ANY, "554 5.2.252 SendAsDenied; ada not allowed to send as noreply", "sender_refused"),
    (ANY, "550 5.1.8 Access denied, bad outbound sender", "sender_refused"),
    (ANY, "553 5.1.7 Bad sender", "sender_refused"),
    (AFTER_MAIL, "554 5.1.8 Email Outgoing Blocked", "sender_refused"),
    (
        ANY,
        "554 Message rejected: Email address is not verified. The following identities failed the check in region X",
        "sender_refused",
    ),
    (AFTER_MAIL, "550 The from address does not match a verified Sender Identity", "sender_refused"),
    (AFTER_MAIL, "550 Unauthenticated senders not allowed", "sender_refused"),
    (AFTER_MAIL, "553 5.7.1 <a@example.org>: Sender address rejected: not owned by user b", "sender_refused"),
    (AFTER_MAIL, "550 5.7.1 Client does not have permission to send as this sender", "sender_refused"),
    (AFTER_MAIL, "550 You are not authorized to send from that email address", "sender_refused"),
    (AFTER_MAIL, "554 Access denied: User `x` is not authorized to perform `ses:SendRawEmail`", "sender_refused"),
    (AFTER_MAIL, "550 5.7.1 Unconfigured Sending Domain <example.org>", "sender_refused"),
    (AFTER_MAIL, "554 Message rejected: Sending paused for this account. For more information, see", "account_blocked"),
    (AFTER_MAIL, "554 Message rejected: Sending suspended for this account", "account_blocked"),
    (AFTER_MAIL, "550 5.7.1 Your account has been suspended", "account_blocked"),
    (AFTER_MAIL, "550 5.7.0 Mail Sending denied", "account_blocked"),
    (AFTER_MAIL, "502 5.7.0 Your SMTP account is not yet activated", "account_blocked"),
    (ANY, "421 Domain x is not allowed to send: Free accounts are for test purposes only", "account_blocked"),
    (ANY, "550 5.7.501 Access denied, spam abuse detected", "account_blocked"),
    (ANY, "550 5.7.606 Access denied, banned sending IP", "account_blocked"),
    (ANY, "550 5.7.705 Access denied, tenant has exceeded threshold", "account_blocked"),
    (ANY, "550 5.7.750 Client blocked from sending from unregistered domains", "account_blocked"),
    ([DATA, DOT], "554 5.7.1 Account disabled", "account_blocked"),
    ([DATA, DOT], "550 Account suspended", "account_blocked"),
    (AFTER_MAIL, "550 5.7.1 Relaying denied", "relay_denied"),
    (AFTER_MAIL, "554 5.7.1 <ada@example.com>: Relay access denied", "relay_denied"),
    (AFTER_MAIL, "454 4.7.1 <ada@example.com>: Relay access denied", "relay_denied"),
    (AFTER_MAIL, "550 relay not permitted", "relay_denied"),
    (AFTER_MAIL, "550 5.7.0 Mail relay denied", "relay_denied"),
    (AFTER_MAIL, "550 5.7.1 Invalid credentials for relay [192.0.2.1]", "relay_denied"),
    (AFTER_MAIL, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "relay_denied"),
    (AFTER_MAIL, "550 5.7.64 TenantAttribution", "relay_denied"),
    (AFTER_MAIL, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "relay_denied"),
    (AFTER_MAIL, "550 5.7.26 Unauthenticated email from example.org is not accepted", "sender_not_authenticated"),
    (AFTER_MAIL, "550 5.7.25 The IP address has no PTR record", "sender_not_authenticated"),
    (AFTER_MAIL, "550 5.7.23 SPF validation failed", "sender_not_authenticated"),
    (AFTER_MAIL, "421 4.7.26 This message is not authenticated: rate limited", "sender_not_authenticated"),
    (
        AFTER_MAIL,
        "550 5.7.1 Unauthenticated email is not accepted due to the domain's DMARC policy",
        "sender_not_authenticated",
    ),
    (AFTER_MAIL, "550 5.7.509 Access denied, sending domain does not pass DMARC", "sender_not_authenticated"),
    (AFTER_MAIL, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example", "client_blocked"),
    (
        AFTER_MAIL,
        "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. It is on our block list",
        "client_blocked",
    ),
    (AFTER_MAIL, "550 5.7.1 The IP you're using to send mail is not authorized to send directly", "client_blocked"),
    (ANY, "503 5.5.4 Log in first", "smtp_login"),
    (AFTER_MAIL, "550 5.7.1 You must log in to send", "smtp_login"),
    (AFTER_MAIL, "550 5.7.1 Error: need AUTH", "smtp_login"),
    (AFTER_MAIL, "550 5.7.1 Client was not authenticated", "smtp_login"),
    (AFTER_MAIL, "550 5.7.0 Must issue a STARTTLS command first", "smtp_login"),
    (AFTER_MAIL, "550 Not allowed to send: you are out of credits", "quota_exceeded"),
    (AFTER_MAIL, "550 5.7.1 Unusual sending activity detected", "quota_exceeded"),
    (AFTER_MAIL, "554 Sending is temporarily disabled", "account_blocked"),
    (AFTER_MAIL, "550 5.7.1 SMTP access is disabled for this account", "account_blocked"),
    (AFTER_MAIL, "550 5.7.1 The account is pending approval", "account_blocked"),
    (AFTER_MAIL, "550 E-mail outgoing is blocked", "account_blocked"),
    (AFTER_MAIL, "550 5.7.1 Sandbox subdomains are for test purposes only", "account_blocked"),
    (AFTER_MAIL, "550 We do not relay", "relay_denied"),
    (AFTER_MAIL, "550 5.7.1 Unauthenticated mail", "sender_not_authenticated"),
    (AFTER_MAIL, "550 5.7.0 SPF check failed", "sender_not_authenticated"),
    (AFTER_MAIL, "550 Only a verified sender may send", "sender_refused"),
    (AFTER_MAIL, "550 5.7.1 Sender identity is missing", "sender_refused"),
    (AFTER_MAIL, "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException", "sender_refused"),
    (AFTER_MAIL, "550 5.7.1 That address is not owned by you", "sender_refused"),
    (AFTER_MAIL, "550 5.7.1 <a@example.org>: Sender address rejected: Access denied", "sender_refused"),
    (AFTER_MAIL, "550 Sender verify failed", "sender_refused"),
    (AFTER_MAIL, "550 5.7.1 Domain example.org is not allowed to send", "sender_refused"),
    (AFTER_MAIL, "550 5.7.1 Access denied, banned sending IP", "client_blocked"),
    ([MAIL], "550 5.7.1 You may not send as this", "sender_refused"),
    ([MAIL], "553 5.1.8 Sender's domain not found", "sender_refused"),
    ([MAIL], "550 no", "sender_refused"),
    ([MAIL], "501 5.1.7 Bad address", "sender_refused"),
]


@pytest.mark.parametrize(("phases", "reply", "code"), ACCOUNT)
def test_our_own_accounts_trouble_is_no_notifications_failure(phases, reply, code):
    holds(phases, reply, AccountRefused, code)


NOT_NOW = [
    (AFTER_MAIL, "421 4.7.0 Slow down", "throttled"),
    (AFTER_MAIL, "421 4.3.2 Closing", "throttled"),
    (AFTER_MAIL, "421 Too many concurrent SMTP connections", "throttled"),
    (AFTER_MAIL, "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", "throttled"),
    (AFTER_MAIL, "454 Throttling failure: Maximum sending rate exceeded", "throttled"),
    (AFTER_MAIL, "550 5.7.28 Mail flood detected", "throttled"),
    (AFTER_MAIL, "550 5.7.15 Priority level is too low", "throttled"),
    (AFTER_MAIL, "550 5.2.1 The user is receiving mail at a rate that prevents additional messages", "throttled"),
    (AFTER_MAIL, "550 5.2.1 The user is receiving mail too quickly", "throttled"),
    (AFTER_MAIL, "550 Please try again later", "deferred"),
    (AFTER_MAIL, "550 5.7.1 Rate limit reached", "deferred"),
    (AFTER_MAIL, "554 5.7.1 Message throttled", "deferred"),
    (AFTER_MAIL, "550 You are sending too fast", "deferred"),
    (AFTER_MAIL, "550 5.7.1 Mail comes at a rate that is not accepted", "deferred"),
    (AFTER_MAIL, "550 over quota", "mailbox_full"),
    (ANY, "450 4.2.1 The user you are trying to contact is receiving mail too quickly", "deferred"),
    (ANY, "450 4.2.0 Greylisted", "deferred"),
    (ANY, "450 4.7.1 Client host rejected: Greylisted, see the policy", "deferred"),
    (ANY, "450 4.1.1 unverified address: Address verification in progress", "deferred"),
    (ANY, "451 4.3.0 Later", "deferred"),
    (ANY, "451 4.7.1 Greylisting in action, please come back later", "deferred"),
    (ANY, "451 Temporary service failure", "deferred"),
    (ANY, "452 4.2.2 Mailbox full", "deferred"),
    (ANY, "452 4.3.1 Insufficient system storage", "deferred"),
    (ANY, "452 4.5.3 Too many recipients", "deferred"),
    (ANY, "455 4.5.0 Cannot accommodate parameters", "deferred"),
    (ANY, "450 5.1.1 No such user", "deferred"),
    (ANY, "451 5.7.1 Rejected", "deferred"),
    (ANY, "471 what", "deferred"),
    (AFTER_MAIL, "550 4.7.1 Greylisted", "deferred"),
    (AFTER_MAIL, "554 4.4.7 Expired", "deferred"),
    (AFTER_MAIL, "550 4.2.2 Over quota", "mailbox_full"),
    (AFTER_MAIL, "550 greylisted, try again later", "deferred"),
    (AFTER_MAIL, "550 5.7.1 Graylisted", "deferred"),
    (AFTER_MAIL, "550 Temporarily blocked due to repeated bad requests", "deferred"),
    (AFTER_MAIL, "554 5.7.0 Too many connections", "deferred"),
    (AFTER_MAIL, "550 5.3.1 Mail system full", "deferred"),
    (AFTER_MAIL, "550 5.5.3 Too many recipients", "deferred"),
    (AFTER_MAIL, "550 5.2.2 Mailbox full", "mailbox_full"),
    (AFTER_MAIL, "552 5.2.2 Over quota", "mailbox_full"),
    ([RCPT], "552 Too many recipients", "mailbox_full"),
    ([RCPT], "552 5.5.3 Too many recipients", "mailbox_full"),
    (AFTER_MAIL, "552 Requested mail action aborted: exceeded storage allocation", "mailbox_full"),
    (AFTER_MAIL, "550 mailbox is full", "mailbox_full"),
    (AFTER_MAIL, "554 5.2.0 quota exceeded", "mailbox_full"),
]


@pytest.mark.parametrize(("phases", "reply", "code"), NOT_NOW)
def test_not_now_is_tried_again(phases, reply, code):
    holds(phases, reply, RetryLater, code)


FOR_GOOD = [
    (AFTER_MAIL, "550 5.1.1 No such user", "bounced"),
    (AFTER_MAIL, "554 5.1.1 No such user", "bounced"),
    (AFTER_MAIL, "550 5.1.2 No such host", "bounced"),
    (AFTER_MAIL, "551 5.1.6 Moved", "bounced"),
    (AFTER_MAIL, "553 5.1.3 Bad syntax", "bounced"),
    (AFTER_MAIL, "556 5.1.10 Null MX", "bounced"),
    (AFTER_MAIL, "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", "bounced"),
    (AFTER_MAIL, "556 Domain does not accept mail", "bounced"),
    (AFTER_MAIL, "550 5.2.1 Disabled", "bounced"),
    (AFTER_MAIL, "550 5.2.1 The email account that you tried to reach is disabled", "bounced"),
    (AFTER_MAIL, "550 5.1.1 The account has been suspended", "bounced"),
    (AFTER_MAIL, "550 5.7.17 Mailbox owner has changed", "bounced"),
    ([RCPT], "550 No such user here", "bounced"),
    ([RCPT], "550 Account disabled", "bounced"),
    ([RCPT], "551 User not local", "bounced"),
    ([RCPT], "553 Requested action not taken: mailbox name not allowed", "bounced"),
    ([RCPT], "521 Host does not accept mail", "bounced"),
    ([RCPT], "550 5.1.0 Rejected", "bounced"),
    (ANY, "552 5.3.4 Too big", "too_large"),
    (ANY, "554 5.2.3 Too big for the mailbox", "too_large"),
    (ANY, "550 5.7.16 Too big for its priority", "too_large"),
    ([DATA, DOT], "552 Message size exceeds fixed limit", "too_large"),
    ([DATA, DOT], "523 too big", "too_large"),
    (AFTER_MAIL, "552 5.7.0 This message was blocked because its content presents a security issue", "rejected"),
    (AFTER_MAIL, "550 5.4.1 Recipient address rejected: Access denied", "rejected"),
    (AFTER_MAIL, "550 5.4.4 Unable to route", "rejected"),
    (AFTER_MAIL, "550 5.4.6 Routing loop detected", "rejected"),
    (AFTER_MAIL, "554 5.4.6 Too many hops", "rejected"),
    (AFTER_MAIL, "550 5.7.1 Not authenticated for group: authentication required", "rejected"),
    (AFTER_MAIL, "554 5.4.14 Hop count exceeded - possible mail loop", "rejected"),
    (AFTER_MAIL, "554 5.6.0 Mail message is malformed", "rejected"),
    (AFTER_MAIL, "554 5.6.0 Message exceeded 50 hops, too many hops", "rejected"),
    (AFTER_MAIL, "550 5.7.1 Spam", "rejected"),
    (AFTER_MAIL, "550 5.7.1 Message from example.org rejected as spam", "rejected"),
    (AFTER_MAIL, "554 5.7.1 Message rejected under suspicion of SPAM", "rejected"),
    (AFTER_MAIL, "550 5.7.1 You are not authorized to send to this list", "rejected"),
    (AFTER_MAIL, "550 5.7.1 RESOLVER.RST.AuthRequired; authentication required", "rejected"),
    (AFTER_MAIL, "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", "rejected"),
    (AFTER_MAIL, "550 5.7.513 Client host blocked by example.com using Customer Block list", "rejected"),
    ([DATA, DOT], "550 no", "rejected"),
    (AFTER_MAIL, "554 Transaction failed", "rejected"),
    (AFTER_MAIL, "501 5.5.4 Syntax", "rejected"),
    (AFTER_MAIL, "500 5.5.2 Line too long", "rejected"),
    (AFTER_MAIL, "555 5.5.2 Syntax error", "rejected"),
    (AFTER_MAIL, "599 5.9.9 what", "rejected"),
    (ANY, "553 5.6.7 No SMTPUTF8", "address_not_supported"),
    ([MAIL], "555 5.5.4 Unsupported option: SMTPUTF8", "address_not_supported"),
]


@pytest.mark.parametrize(("phases", "reply", "code"), FOR_GOOD)
def test_a_permanent_refusal_fails(phases, reply, code):
    holds(phases, reply, Permanent, code)


@pytest.mark.parametrize(
    ("phases", "reply", "kind", "code"),
    [
        ([MAIL], "421 4.3.2 Closing", ProviderDown, "smtp_unavailable"),
        (ANY, "454 4.7.0 Temporary authentication failure", ProviderDown, "smtp_unavailable"),
        (ANY, "454 TLS not available due to temporary reason", ProviderDown, "smtp_unavailable"),
        (ANY, "503 5.5.1 Bad sequence of commands", Defect, "smtp_sequence"),
        (ANY, "250 2.0.0 no refusal", Defect, "smtp_protocol"),
    ],
)
def test_a_server_that_does_not_work_and_a_dialogue_that_went_wrong(phases, reply, kind, code):
    holds(phases, reply, kind, code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("5.1.1 no such user", "5.1.1"),
        ("5.1.1 no such\n5.1.1 user", "5.1.1"),
        ("Requested action not taken\n5.1.1 no such user", "5.1.1"),
        ("5.1.1: no such user", "5.1.1"),
        ("5.7.60", "5.7.60"),
        ("#5.1.0 Address rejected.", "5.1.0"),
        ("sorry, no mailbox here by that name. (#5.1.1)", "5.1.1"),
        ("5.1.10x", None),
        ("5.1.1.1 is listed", None),
        ("not accepted from 5.1.1.7", None),
        ("2.1.5 fine", None),
        ("", None),
    ],
)
def test_the_enhanced_code_is_found_where_servers_write_it(text, code):
    assert enhanced_code(text) == code


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Greylisted for 300 seconds", 300),
        ("Greylisting in action, please come back in 00:04:59", 299),
        ("try again in 5 minutes", 300),
        ("try again in 10 mins.", 600),
        ("wait 30s", 30),
        ("come back in 2 hours", 3600),
        ("come back in 99999 hours", 3600),
        ("in 5 messages", None),
        ("for 3 recipients", None),
        ("try again later", None),
    ],
)
def test_the_pause_a_server_asks_for_is_kept_up_to_an_hour(words, seconds):
    assert pause_asked_for(words) == seconds
    outcome = outcome_of(Refused(RCPT, 450, f"4.2.0 {words}"))
    assert isinstance(outcome, RetryLater)
    assert outcome.after_seconds == seconds


def test_a_reply_of_several_lines_is_read_whole():
    lines = "5.7.1 Message rejected.\n5.7.1 The IP address you send from\n5.7.1 has been blocked"
    assert meaning(DOT, f"550 {lines}") == (AccountRefused, "client_blocked")


def test_addresses_in_a_reply_decide_nothing():
    reply = "550 5.7.1 <relay.access.denied@example.com> quota-exceeded@example.com: refused"
    assert meaning(RCPT, reply) == (Permanent, "rejected")


def test_a_reply_without_end_is_read_in_no_time():
    began = time.perf_counter()
    for word in ("sender ", "account ", "ip ", "daily ", "relay "):
        outcome_of(Refused(RCPT, 550, word * 10_000))
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.7.1 Relaying denied",
        "550 relaying denied",
        "554 5.7.1 Client host blocked",
        "550 5.1.0 Sender rejected",
        "550 5.1.10x",
        "552 5.2.2 Full",
        "521 no mail here",
        "450 5.1.1 not now",
        "550 4.1.1 not now",
        "550 5.2.1 receiving mail too quickly",
        "550 5.4.4 Unable to route",
    ],
)
def test_an_address_is_given_up_only_when_the_server_says_that_it_is_dead(reply):
    outcome = outcome_of(Refused(RCPT, int(reply[:3]), reply[4:]))
    assert not getattr(outcome, "dead_recipient", False)


@pytest.mark.parametrize(
    "reply", ["550 5.1.1 x", "550 5.1.2 x", "553 5.1.3 x", "551 5.1.6 x", "556 5.1.10 x", "550 5.2.1 x", "556 x"]
)
def test_a_hard_bounce_gives_the_address_up(reply):
    outcome = outcome_of(Refused(RCPT, int(reply[:3]), reply[4:]))
    assert isinstance(outcome, Permanent)
    assert outcome.dead_recipient


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("550 <ada@example.com>: unknown", "550 <<address>>: unknown"),
        ("550 to=ada+x@mail.example.com, gone", "550 to=<address>, gone"),
        ("550 two\nlines\r\nand\0more", "550 two lines and more"),
        ("x" * 1000, "x" * 200),
        ("jürgen@bücher.example said \ud800", "<address> said ?"),
    ],
)
def test_the_stored_text_of_a_server_has_no_addresses_and_is_valid_unicode(said, kept):
    assert wording(said) == kept


@pytest.mark.parametrize(("kind", "rows"), [(AccountRefused, ACCOUNT), (RetryLater, NOT_NOW), (Permanent, FOR_GOOD)])
async def test_each_row_means_the_same_when_a_mail_server_says_it(server, senders, envelope, kind, rows):
    sender = senders(server.port)
    for phases, reply, code in rows:
        for phase in phases:
            server.script = {phase.name: [reply] * 2}  # a kept connection that is closed by a 421 is replaced once
            outcome = await sender.send(envelope())
            assert (type(outcome), outcome.code) == (kind, code), (phase, reply)
