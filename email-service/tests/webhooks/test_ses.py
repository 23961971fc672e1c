"""What the events of Amazon SES mean: feedback notifications, and events of a configuration set."""

from uuid import uuid4

import pytest

ID = uuid4()
SES_ID = "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000"
HEADERS = [
    {"name": "From", "value": "sender@example.org"},
    {"name": "Message-ID", "value": f"<{ID}@example.org>"},
    {"name": "X-Notification-ID", "value": str(ID)},
]
MAIL = {
    "messageId": SES_ID,
    "source": "bounces+x@bounces.example.org",
    "destination": ["ada@example.com"],
    "headers": HEADERS,
}
ADA = {"emailAddress": "ada@example.com", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}
BOUNCE = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [ADA]}
COMPLAINT = {"complainedRecipients": [ADA], "complaintFeedbackType": "abuse", "complaintSubType": None}
HARD, SOFT = ("failed", True), ("failed", False)


@pytest.mark.parametrize("kind", ["notificationType", "eventType"])
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"": "Delivery", "delivery": {"recipients": ["ada@example.com"]}}, ("delivered", False)),
        ({"": "Bounce", "bounce": BOUNCE}, HARD),
        ({"": "Bounce", "bounce": {**BOUNCE, "bounceType": "Transient"}}, SOFT),
        ({"": "Bounce", "bounce": {**BOUNCE, "bounceType": "Undetermined"}}, SOFT),
        ({"": "Complaint", "complaint": COMPLAINT}, ("complained", False)),
        ({"": "Complaint", "complaint": {**COMPLAINT, "complaintFeedbackType": "not-spam"}}, None),
        ({"": "Complaint", "complaint": {**COMPLAINT, "complaintSubType": "OnAccountSuppressionList"}}, HARD),
        ({"": "Reject", "reject": {"reason": "Bad content"}}, SOFT),
        ({"": "DeliveryDelay", "deliveryDelay": {"delayType": "MailboxFull"}}, ("delayed", False)),
        ({"": "Send", "send": {}}, None),
        ({"": "Open"}, None),
        ({}, None),
    ],
)
async def test_each_event_means_one_thing(ses, topic, request_of, kind, given, meant):
    event = {kind if name == "" else name: value for name, value in {**given, "mail": MAIL}.items()}
    [read] = await ses.read(request_of(topic.posts(event)))
    assert (None if read.report is None else (read.report.kind, read.report.dead)) == meant


async def test_a_mail_is_named_by_its_return_path_its_headers_and_ses_s_id(ses, topic, request_of):
    [event] = await ses.read(request_of(topic.posts({"eventType": "Bounce", "bounce": BOUNCE, "mail": MAIL})))
    report = event.report
    assert (report.message_ids, report.addresses, report.status) == ((ID, ID), ("ada@example.com",), "5.1.1")
    assert (report.return_paths, report.provider_ids) == (("bounces+x@bounces.example.org",), (SES_ID,))


async def test_without_headers_and_status_what_there_is_counts(ses, topic, request_of):
    mail = {**MAIL, "headers": None}
    bounce = {**BOUNCE, "bouncedRecipients": [{**ADA, "status": None}]}
    [event] = await ses.read(request_of(topic.posts({"eventType": "Bounce", "bounce": bounce, "mail": mail})))
    assert (event.report.message_ids, event.report.status, event.report.provider_ids) == ((), "5.1.1", (SES_ID,))


@pytest.mark.parametrize("written", ["Ada <ada@example.com>", '"Lovelace, Ada" <ada@example.com>', "<ada@example.com>"])
async def test_a_recipient_may_have_a_name(ses, topic, request_of, written):
    bounce = {**BOUNCE, "bouncedRecipients": [{**ADA, "emailAddress": written}]}
    [event] = await ses.read(request_of(topic.posts({"eventType": "Bounce", "bounce": bounce, "mail": MAIL})))
    assert event.report.addresses == ("ada@example.com",)


async def test_each_recipient_is_an_event_of_its_own(ses, topic, request_of):
    bounce = {**BOUNCE, "bouncedRecipients": [ADA, {**ADA, "emailAddress": "bo@example.com"}]}
    first, second = await ses.read(request_of(topic.posts({"eventType": "Bounce", "bounce": bounce, "mail": MAIL})))
    assert first.id != second.id
    assert second.report.addresses == ("bo@example.com",)


@pytest.mark.parametrize("message", ["Successfully validated SNS topic for Amazon SES event publishing.", "[]", ""])
async def test_the_sentence_by_which_ses_tries_a_topic_is_no_event(ses, topic, request_of, message):
    [event] = await ses.read(request_of(topic.signs({"Type": "Notification", "Message": message})))
    assert event.report is None
