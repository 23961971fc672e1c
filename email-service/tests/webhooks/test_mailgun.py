"""Mailgun's signature, and what its events mean."""

import json
import time
from secrets import token_hex
from uuid import uuid4

import pytest

from chassis.errors import Unprocessable
from devstack.simulators.mail_accounts import MailgunAccount, Posted
from email_service.webhooks.events import MAX_AGE_SECONDS, SignatureRefused
from email_service.webhooks.mailgun import Mailgun

ACCOUNT, ID = MailgunAccount(), uuid4()
WEBHOOK = Mailgun(ACCOUNT.key)
DATA = {
    "id": "DACSsAdVSeGpLid7TN03WA",
    "timestamp": 1_521_472_262.9,
    "recipient": "ada@example.com",
    "envelope": {"sender": "bounces+x@bounces.example.org", "targets": "ada@example.com"},
    "message": {"headers": {"to": "Ada <ada@example.com>", "message-id": f"{ID}@example.org"}},
    "delivery-status": {"code": 550, "enhanced-code": "5.1.1", "bounce-type": "hard"},
}
FAILED = {**DATA, "event": "failed", "severity": "permanent", "reason": "bounce"}
HARD, SOFT = ("failed", True), ("failed", False)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({**DATA, "event": "delivered"}, ("delivered", False)),
        (FAILED, HARD),
        ({**FAILED, "reason": "suppress-bounce"}, HARD),
        ({**FAILED, "reason": "suppress-complaint"}, HARD),
        ({**FAILED, "reason": "generic"}, SOFT),
        ({**FAILED, "reason": "old"}, SOFT),
        ({**FAILED, "delivery-status": {"bounce-type": "soft"}}, SOFT),
        ({**FAILED, "severity": "temporary"}, ("delayed", False)),
        ({**DATA, "event": "rejected", "reject": {"reason": "virus"}}, SOFT),
        ({**DATA, "event": "complained"}, ("complained", False)),
        ({**DATA, "event": "opened"}, None),
        ({**DATA, "event": "unsubscribed"}, None),
        ({}, None),
    ],
)
async def test_each_event_means_one_thing(request_of, given, meant):
    [event] = await WEBHOOK.read(request_of(ACCOUNT.posts(given)))
    assert (None if event.report is None else (event.report.kind, event.report.dead)) == meant


async def test_a_mail_is_named_by_its_return_path_and_its_message_id(request_of):
    [event] = await WEBHOOK.read(request_of(ACCOUNT.posts(FAILED)))
    report = event.report
    assert (report.message_ids, report.addresses, report.status) == ((ID,), ("ada@example.com",), "5.1.1")
    assert report.return_paths == ("bounces+x@bounces.example.org",)


async def test_a_token_is_tied_to_its_body(request_of):
    token, at = token_hex(25), time.time()
    given = (FAILED, FAILED, {**FAILED, "recipient": "bo@example.com"})
    first, again, other = [
        (await WEBHOOK.read(request_of(ACCOUNT.posts(one, at=at, token=token))))[0].token for one in given
    ]
    assert first == again
    assert (other.token, other.digest != first.digest) == (token, True)


async def test_a_request_that_the_key_did_not_sign_is_refused(request_of):
    now, token = str(int(time.time())), token_hex(25)
    good = ACCOUNT.signature(now, token)
    for wrong in (
        {},
        None,
        {**good, "signature": "0" * 64},
        {**good, "signature": ""},
        {**good, "signature": "é"},
        {**good, "token": token_hex(25)},
        {**good, "timestamp": str(int(now) + 1)},
        MailgunAccount().signature(now, token),
        ACCOUNT.signature(str(int(time.time() - MAX_AGE_SECONDS - 5)), token),
        ACCOUNT.signature(str(int(time.time() + 3_600)), token),
        ACCOUNT.signature("soon", token),
        ACCOUNT.signature(now, "short"),
        # The boundary between the two is not signed: a digit of one must not pass for a digit of the other.
        {**good, "timestamp": now[:-1], "token": now[-1] + token},
    ):
        body = json.dumps({"signature": wrong, "event-data": DATA}).encode()
        with pytest.raises(SignatureRefused):
            await WEBHOOK.read(request_of(Posted(body, {})))
    assert len(await WEBHOOK.read(request_of(ACCOUNT.posts(DATA), later=8 * 3_600))) == 1, "Mailgun repeats so long"


@pytest.mark.parametrize("body", [b"", b"[]", b"no json", b"token=a&timestamp=1", b"{" * 50_000])
async def test_a_body_of_another_form_is_a_422(request_of, body):
    with pytest.raises(Unprocessable):
        await WEBHOOK.read(request_of(Posted(body, {})))


async def test_parts_of_other_types_are_empty_ones(request_of):
    odd = {"event": "delivered", "message": None, "envelope": [], "delivery-status": "x", "recipient": None}
    [event] = await WEBHOOK.read(request_of(ACCOUNT.posts(odd)))
    assert (event.report.message_ids, event.report.addresses) == ((), ())
