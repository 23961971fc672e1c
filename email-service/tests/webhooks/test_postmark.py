"""Postmark's login, and what its events mean."""

import base64
from uuid import uuid4

import pytest

from chassis.errors import Unprocessable
from devstack.simulators.mail_accounts import Posted, PostmarkServer
from email_service.webhooks.postmark import BOUNCE_TYPES, LoginRefused, Postmark

SERVER = PostmarkServer()
WEBHOOK, PASSWORD = Postmark(SERVER.password), SERVER.password
ID, THEIRS = uuid4(), str(uuid4())
COMMON = {"MessageID": THEIRS, "ServerID": 23, "Metadata": {"notification-id": str(ID)}}
BOUNCE = {
    **COMMON,
    "RecordType": "Bounce",
    "ID": 4_323_372_036_854_775_807,
    "Type": "HardBounce",
    "Email": "ada@example.com",
    "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist",
}
DELIVERY = {**COMMON, "RecordType": "Delivery", "Recipient": "ada@example.com", "Details": "smtp;250 OK"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (DELIVERY, ("delivered", False)),
        (BOUNCE, ("failed", True)),
        *[({**BOUNCE, "Type": kind}, ("failed", True)) for kind in ("BadEmailAddress", "ManuallyDeactivated")],
        *[
            ({**BOUNCE, "Type": kind}, ("failed", False))
            for kind in ("SoftBounce", "Unknown", "VirusNotification", "Blocked", "DMARCPolicy", "SMTPApiError")
        ],
        *[({**BOUNCE, "Type": kind}, ("complained", False)) for kind in ("SpamComplaint", "SpamNotification")],
        ({**BOUNCE, "RecordType": "SpamComplaint", "Type": "SpamComplaint"}, ("complained", False)),
        *[({**BOUNCE, "Type": kind}, ("delayed", False)) for kind in ("Transient", "DnsError")],
        ({**BOUNCE, "Type": "AutoResponder"}, None),
        ({**COMMON, "RecordType": "Open"}, None),
        ({**COMMON, "RecordType": "SubscriptionChange"}, None),
        ({}, None),
    ],
)
async def test_each_event_means_one_thing(request_of, given, meant):
    [event] = await WEBHOOK.read(request_of(SERVER.posts(given)))
    assert (None if event.report is None else (event.report.kind, event.report.dead)) == meant


@pytest.mark.parametrize("given", [BOUNCE, DELIVERY])
async def test_a_mail_is_named_by_its_metadata_and_by_postmarks_id(request_of, given):
    [event] = await WEBHOOK.read(request_of(SERVER.posts(given)))
    report = event.report
    assert (report.message_ids, report.addresses) == ((ID,), ("ada@example.com",))
    assert report.provider_ids == (THEIRS,)
    assert report.status == ("5.1.1" if given is BOUNCE else "")


async def test_a_bounce_has_an_id_and_a_delivery_one_of_its_mail(request_of):
    given = (BOUNCE, {**BOUNCE, "ID": 2}, DELIVERY, {**DELIVERY, "MessageID": str(uuid4())})
    ids = [(await WEBHOOK.read(request_of(SERVER.posts(one))))[0].id for one in given]
    assert len(set(ids)) == len(given)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": SERVER.login("wrong")},
        {"authorization": SERVER.login("")},
        {"authorization": SERVER.login(PASSWORD + "x")},
        {"authorization": f"Bearer {PASSWORD}"},
        {"authorization": "Basic !"},
        {"authorization": "Basic " + base64.b64encode(PASSWORD.encode()).decode()},
        {"authorization": "Basic é"},
    ],
)
async def test_without_the_password_it_is_a_401_that_asks_for_it(request_of, headers):
    with pytest.raises(LoginRefused) as refused:
        await WEBHOOK.read(request_of(Posted(SERVER.posts(BOUNCE).body, headers)))
    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("body", [b"", b"[]", b"x", b"[" * 100_000])
async def test_a_body_of_another_form_is_a_422(request_of, body):
    with pytest.raises(Unprocessable):
        await WEBHOOK.read(request_of(Posted(body, SERVER.posts({}).headers)))


def test_what_is_no_answer_to_the_mail_is_no_bounce():
    assert BOUNCE_TYPES.keys().isdisjoint({"OpenRelayTest", "AutoResponder", "AddressChange"})
