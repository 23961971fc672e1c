"""SendGrid's signature, and what its events mean."""

import base64
import time
from dataclasses import replace
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis.errors import Unprocessable
from devstack.simulators.mail_accounts import SendGridAccount
from email_service.webhooks.events import MAX_AGE_SECONDS, SignatureRefused
from email_service.webhooks.sendgrid import SIGNATURE, TIMESTAMP, SendGrid, public_key

ACCOUNT, ID = SendGridAccount(), uuid4()
WEBHOOK = SendGrid(public_key(ACCOUNT.shown_key))
EVENT = {
    "email": "ada@example.com",
    "timestamp": 1_700_000_000,
    "smtp-id": f"<{ID}@example.org>",
    "sg_event_id": "ZGVsaXZlcmVk",
    "sg_message_id": "14c5d75ce93.filter0001.16648.5515E0B88.0",
}
HARD, SOFT = ("failed", True), ("failed", False)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"event": "delivered"}, ("delivered", False)),
        ({"event": "bounce", "type": "bounce", "status": "5.1.1"}, HARD),
        ({"event": "bounce", "status": "5.0.0"}, HARD),
        ({"event": "bounce", "type": "blocked", "status": "5.7.1"}, SOFT),
        ({"event": "bounce", "type": "expired", "status": "4.4.7"}, SOFT),
        *[
            ({"event": "dropped", "reason": reason}, HARD)
            for reason in ("Bounced Address", "Invalid", "Spam Reporting Address")
        ],
        ({"event": "dropped", "reason": "Spam Content"}, SOFT),
        ({"event": "spamreport"}, ("complained", False)),
        ({"event": "processed"}, None),
        ({"event": "deferred", "response": "400 try again later"}, ("delayed", False)),
        ({"event": "open"}, None),
        ({"event": "something new"}, None),
        ({}, None),
    ],
)
async def test_each_event_means_one_thing(request_of, given, meant):
    [event] = await WEBHOOK.read(request_of(ACCOUNT.posts({**EVENT, **given})))
    assert (None if event.report is None else (event.report.kind, event.report.dead)) == meant
    assert event.id == "ZGVsaXZlcmVk"


async def test_a_mail_is_named_by_its_message_id_and_by_the_id_of_the_smtp_answer(request_of):
    [event] = await WEBHOOK.read(request_of(ACCOUNT.posts({**EVENT, "event": "bounce", "status": "5.1.1"})))
    report = event.report
    assert (report.message_ids, report.addresses, report.status) == ((ID,), ("ada@example.com",), "5.1.1")
    assert report.provider_ids == ("14c5d75ce93.filter0001.16648.5515E0B88.0", "14c5d75ce93")


async def test_events_come_in_groups_and_events_without_an_id_are_distinguished(request_of):
    many = [{**EVENT, "event": "delivered", "sg_event_id": str(number)} for number in range(1_000)]
    nameless = [{"event": "delivered", "email": f"{number}@example.com"} for number in range(2)]
    assert len({event.id for event in await WEBHOOK.read(request_of(ACCOUNT.posts(*many, *nameless)))}) == 1_002


async def test_a_request_that_the_key_did_not_sign_is_refused(request_of):
    posted = ACCOUNT.posts({**EVENT, "event": "delivered"})
    headers = posted.headers
    for wrong in (
        replace(posted, body=posted.body.replace(b"ada@", b"bob@")),
        replace(posted, body=posted.body + b" "),
        replace(posted, headers={}),
        replace(posted, headers={**headers, TIMESTAMP: str(int(headers[TIMESTAMP]) + 1)}),
        replace(posted, headers={**headers, SIGNATURE: "not base64!"}),
        replace(posted, headers={**headers, SIGNATURE: ""}),
        SendGridAccount().posts({**EVENT, "event": "delivered"}),
        ACCOUNT.posts(EVENT, at=time.time() - MAX_AGE_SECONDS - 5),
        ACCOUNT.posts(EVENT, at=time.time() + 3_600),
        *(ACCOUNT.signs(b"[]", odd) for odd in ("nan", "inf", "-1e308", "1e999", "x", "")),
    ):
        with pytest.raises(SignatureRefused):
            await WEBHOOK.read(request_of(wrong))
    assert len(await WEBHOOK.read(request_of(posted, later=86_400))) == 1, "SendGrid repeats for a day"


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"[" * 100_000, b'[{"email": "\\ud800"}]', b"\xff"])
async def test_a_signed_body_of_another_form_is_a_422(request_of, body):
    with pytest.raises(Unprocessable):
        await WEBHOOK.read(request_of(ACCOUNT.signs(body, str(int(time.time())))))


@pytest.mark.parametrize("odd", [None, 5, 1.5, True, [], {"a": 1}, "x" * 100_000])
async def test_fields_of_other_types_do_no_harm(request_of, odd):
    fields = dict.fromkeys(("email", "smtp-id", "status", "type", "reason", "sg_message_id"), odd)
    [event] = await WEBHOOK.read(request_of(ACCOUNT.posts({**EVENT, **fields, "event": "bounce"})))
    assert event.report.message_ids == ()


def _shown(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "AAAA",
        _shown(rsa.generate_private_key(65_537, 2_048)),
        _shown(ec.generate_private_key(ec.SECP384R1())),
    ],
)
def test_a_key_of_another_kind_is_refused(text):
    with pytest.raises(ValueError, match=r"is no public key in base64|is not a key of P-256"):
        public_key(text)
