"""SNS: what is signed is taken, and nothing but Amazon's own addresses is ever fetched."""

import json
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from chassis.errors import Unavailable, Unprocessable
from devstack.simulators.mail_accounts import Posted, SnsTopic, new_key
from email_service.webhooks.events import MAX_AGE_SECONDS, SignatureRefused
from email_service.webhooks.sns import FETCHES, host_of

EVENT = {"notificationType": "Delivery", "mail": {}, "delivery": {"recipients": ["ada@example.com"]}}


def changed(posted: Posted, **fields: object) -> Posted:
    whole = {**json.loads(posted.body), **fields}
    kept = {name: value for name, value in whole.items() if value is not None}
    return replace(posted, body=json.dumps(kept).encode())


@pytest.mark.parametrize("version", ["1", "2"])
async def test_both_versions_of_the_signature_are_checked_with_the_certificate_fetched_once(
    ses, topic, amazon, request_of, version
):
    posted = topic.signs({"Type": "Notification", "Message": json.dumps(EVENT), "Subject": "SES"}, version=version)
    for _ in range(3):
        [event] = await ses.read(request_of(posted))
        assert event.report.kind == "delivered"
    assert amazon.asked == [topic.certificate_url.removeprefix("https://")]
    for field in ("Message", "MessageId", "Subject", "Timestamp", "Type"):
        with pytest.raises(SignatureRefused):
            await ses.read(request_of(changed(posted, **{field: "UnsubscribeConfirmation"})))
    with pytest.raises(SignatureRefused):
        await ses.read(request_of(changed(posted, SignatureVersion="2" if version == "1" else "1")))


async def test_a_subscription_to_a_configured_topic_is_confirmed(ses, topic, amazon, request_of):
    [event] = await ses.read(request_of(topic.asks_to_confirm()))
    assert event.report is None
    assert [urlsplit(f"//{one}").path for one in amazon.asked] == [urlsplit(topic.certificate_url).path, "/"]
    assert "Action=ConfirmSubscription" in amazon.asked[1]
    amazon.asked.clear()
    await ses.read(request_of(topic.signs({"Type": "UnsubscribeConfirmation", "Message": "x", "SubscribeURL": "x"})))
    assert amazon.asked == []


ELSEWHERE = [
    "http://{host}{path}",
    "https://{host}:8443{path}",
    "https://{host}.example.com{path}",
    "https://{host}@example.com{path}",
    "https://example.com/{host}{path}",
    "https://user@{host}{path}",
    "https://sns.us-east-1.amazonaws.com{path}",
    "https://bucket.s3.amazonaws.com{path}",
    "https://127.0.0.1{path}",
    "https://169.254.169.254{path}",
    "https://[::1]{path}",
    "file:///etc/passwd",
    " https://{host}{path}",
    "https:\\\\{host}{path}",
    "https://{host}\\@example.com{path}",
    "",
]


@pytest.mark.parametrize("url", [*ELSEWHERE, "https://{host}/other.pem", "https://{host}/x/../{path}"])
async def test_a_certificate_elsewhere_is_not_fetched(ses, topic, amazon, request_of, url):
    path = urlsplit(topic.certificate_url).path
    posted = changed(topic.posts(EVENT), SigningCertURL=url.format(host=topic.host, path=path))
    with pytest.raises(SignatureRefused):
        await ses.read(request_of(posted))
    assert amazon.asked == []


@pytest.mark.parametrize("url", [*ELSEWHERE, "https://{host}/?Action=DeleteTopic"])
async def test_a_confirmation_elsewhere_is_not_fetched_though_it_is_signed(ses, topic, amazon, request_of, url):
    posted = topic.asks_to_confirm(SubscribeURL=url.format(host=topic.host, path="/?Action=ConfirmSubscription"))
    with pytest.raises(SignatureRefused):
        await ses.read(request_of(posted))
    assert len(amazon.asked) == 1, "the certificate"


async def test_other_topics_other_types_and_old_messages_are_refused_unfetched(ses, topic, amazon, request_of):
    good = topic.posts(EVENT)
    wrong = [
        SnsTopic(region="us-east-1").posts(EVENT),
        topic.signs({"Type": "Notification", "Message": "x", "TopicArn": f"{topic.arn}2"}),
        topic.signs({"Type": "Other", "Message": "x"}),
        topic.signs({"Type": "Notification", "Message": "x", "Timestamp": "yesterday"}),
        topic.signs({"Type": "Notification", "Message": "x", "Timestamp": "9999-12-31T23:59:59+00:00"}),
        changed(good, SignatureVersion="3"),
        changed(good, Signature="!"),
        changed(good, Signature=None),
        changed(good, TopicArn=None),
        changed(good, Type=["Notification"]),
        Posted(b"{}", {}),
    ]
    for posted in wrong:
        with pytest.raises(SignatureRefused):
            await ses.read(request_of(posted))
    with pytest.raises(SignatureRefused):
        await ses.read(request_of(good, later=MAX_AGE_SECONDS + 5))
    assert amazon.asked == []


async def test_a_signature_of_another_key_and_a_certificate_that_is_none_are_refused(ses, topic, amazon, request_of):
    stranger = replace(topic, key=new_key())
    with pytest.raises(SignatureRefused):
        await ses.read(request_of(stranger.posts(EVENT)))
    for page in (b"", b"<html>", topic.certificate(days=-1)):
        other = replace(topic, name=f"{len(page):032x}")
        amazon.pages[urlsplit(other.certificate_url).path] = page
        with pytest.raises(SignatureRefused):
            await ses.read(request_of(other.posts(EVENT)))


@pytest.mark.parametrize("status", [302, 403, 500])
async def test_while_amazon_does_not_answer_the_message_is_taken_later(ses, topic, amazon, request_of, status):
    amazon.status = status
    with pytest.raises(Unavailable):
        await ses.read(request_of(topic.posts(EVENT)))
    assert len(amazon.asked) == 1, "no redirect is followed"
    amazon.status = 200
    assert len(await ses.read(request_of(topic.posts(EVENT)))) == 1


async def test_a_name_that_leads_elsewhere_fails_the_check_of_its_certificate(ses, topic, amazon, request_of, tmp_path):
    amazon.port = 1
    with pytest.raises(Unavailable):
        await ses.read(request_of(topic.posts(EVENT)))
    assert amazon.asked == []


async def test_a_stranger_cannot_make_this_service_a_client_of_amazons(ses, topic, amazon, request_of):
    for number in range(FETCHES.limit + 5):
        with pytest.raises((SignatureRefused, Unavailable)):
            await ses.read(request_of(replace(topic, name=f"{number:032x}").posts(EVENT)))
    assert len(amazon.asked) <= FETCHES.limit + 1


@pytest.mark.parametrize("body", [b"", b"[]", b"x", b"[" * 100_000])
async def test_a_body_of_another_form_is_a_422(ses, request_of, body):
    with pytest.raises(Unprocessable):
        await ses.read(request_of(Posted(body, {})))


@pytest.mark.parametrize(
    ("arn", "host"),
    [
        ("arn:aws:sns:eu-west-1:123456789012:bounces", "sns.eu-west-1.amazonaws.com"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:x.fifo", "sns.us-gov-west-1.amazonaws.com"),
        ("arn:aws-cn:sns:cn-north-1:123456789012:x", "sns.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_a_topic_names_its_host(arn, host):
    assert host_of(arn) == host


@pytest.mark.parametrize("arn", ["", "bounces", "arn:aws:sqs:eu-west-1:123456789012:x", "arn:aws:sns:evil.com/:1:x"])
def test_an_invalid_topic_is_refused(arn):
    with pytest.raises(ValueError, match="is no ARN"):
        host_of(arn)
