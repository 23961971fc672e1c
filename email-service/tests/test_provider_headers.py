"""What each provider is told about a mail, in headers of its own, and what no caller can put there."""

import email
import json
from email import policy
from uuid import UUID

import pytest
from pydantic import ValidationError

from contracts.addresses import parse_mailbox
from contracts.emails import MAX_METADATA, ProviderOptions
from delivery.channel import DeliveryContext
from email_service.extras import ExtendedEmail, Extras
from email_service.mime import MessageBuilder
from email_service.provider_headers import MailService
from email_service.senders.smtp.provider import SmtpProvider
from email_service.settings import EmailSettings

BUILDER = MessageBuilder(parse_mailbox("sender@example.org"), "")
CONTEXT = DeliveryContext(UUID("01890a5d-ac96-774b-bcce-b302099a8057"), "c", 5)
ADA = parse_mailbox("ada@example.org")
ALL = ProviderOptions(tag="receipt", stream="news", metadata={"campaign": "spring", "shop": "7"})


def told(service: MailService, options: ProviderOptions | None) -> dict[str, str]:
    """The headers of a mail that no other mail has, as Python's parser reads them."""
    content = ExtendedEmail("Hi", "<p>Hi</p>", "Hi", Extras(provider=options))
    raw = BUILDER.write(content.for_service(service), "Ada", ADA, CONTEXT)
    plain = BUILDER.write(content, "Ada", ADA, CONTEXT)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.partition(b"\r\n\r\n")[2] == plain.partition(b"\r\n\r\n")[2], "the body is the same"
    read, usual = (email.message_from_bytes(one, policy=policy.default) for one in (raw, plain))
    assert not read.defects
    assert len(read.keys()) == len(set(read.keys())), "none is there twice"
    return {name: str(value) for name, value in read.items() if name not in usual}


@pytest.mark.parametrize(
    ("service", "headers"),
    [
        ("postmark", {"X-PM-Tag": "receipt", "X-PM-Message-Stream": "news", "X-PM-Metadata-campaign": "spring",
                      "X-PM-Metadata-shop": "7"}),
        ("ses", {"X-SES-CONFIGURATION-SET": "news", "X-SES-MESSAGE-TAGS": "tag=receipt, campaign=spring, shop=7"}),
        ("sendgrid", {"X-SMTPAPI": json.dumps({"category": ["receipt"], "unique_args": ALL.metadata, "ip_pool": "news"})}),
        ("mailgun", {"X-Mailgun-Tag": "receipt", "X-Mailgun-Sending-Ip-Pool": "news",
                     "X-Mailgun-Variables": json.dumps(ALL.metadata)}),
        (None, {}),
    ],
)  # fmt: skip
def test_each_provider_is_told_in_its_own_headers(service, headers):
    assert told(MailService(service), ALL) == headers


@pytest.mark.parametrize("service", ["postmark", "ses", "sendgrid", "mailgun"])
def test_what_was_not_asked_for_has_no_header(service):
    assert told(MailService(service), None) == told(MailService(service), ProviderOptions()) == {}
    assert len(told(MailService(service), ProviderOptions(tag="t"))) == 1


def test_a_stream_has_the_providers_own_name_and_an_empty_one_is_none():
    streams = {"news": "5f1c0b", "alerts": ""}
    assert told(MailService("mailgun", streams), ProviderOptions(stream="news")) == {
        "X-Mailgun-Sending-Ip-Pool": "5f1c0b"
    }
    assert told(MailService("ses", streams), ProviderOptions(stream="other")) == {"X-SES-CONFIGURATION-SET": "other"}
    for service in ("postmark", "ses", "sendgrid", "mailgun"):
        assert told(MailService(service, streams), ProviderOptions(stream="alerts")) == {}


@pytest.mark.parametrize("service", ["postmark", "ses", "sendgrid", "mailgun"])
def test_the_longest_options_fit_into_lines_and_come_back_whole(service):
    metadata = {f"{'n' * 18}-{number}": "v" * 80 for number in range(MAX_METADATA)}
    found = told(MailService(service), ProviderOptions(tag="t" * 80, stream="s" * 64, metadata=metadata))
    text = " ".join(found.values())
    assert text.count("v" * 80) == MAX_METADATA
    assert {"t" * 80, "s" * 64} <= set(text.replace('"', " ").replace("=", " ").replace(",", " ").replace("]", " ")
                                       .replace("[", " ").split())  # fmt: skip
    if service == "sendgrid":
        assert json.loads(found["X-SMTPAPI"])["unique_args"] == metadata
    if service == "mailgun":
        assert json.loads(found["X-Mailgun-Variables"]) == metadata


@pytest.mark.parametrize(
    "bad", ["a\r\nBcc: eve@example.org", "a\n", "a\0b", "=?utf-8?q?x?=", "a b", "\u00fc", "", "a" * 81]
)
def test_no_value_can_be_or_end_a_header(bad):
    for given in ({"tag": bad}, {"stream": bad}, {"metadata": {"a": bad}}, {"metadata": {bad: "a"}}):
        with pytest.raises(ValidationError):
            ProviderOptions.model_validate(given)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"service": "sendmail"}, "service"),
        ({"streams": {"news": "x"}}, "streams needs a service"),
        ({"service": "ses", "streams": {"ne ws": "x"}}, "streams"),
        ({"service": "ses", "streams": {"news": "a\r\nBcc: b"}}, "streams"),
    ],
)
def test_a_block_says_whose_headers_its_server_reads(bad, named):
    with pytest.raises(ValidationError, match=named):
        SmtpProvider.model_validate({"host": "a.example", **bad})
    good = SmtpProvider(host="a.example", service="ses", streams={"news": "x"})
    assert good.mail_service == MailService("ses", {"news": "x"})


def test_the_single_server_may_have_a_service_too():
    assert EmailSettings(_env_file=None, smtp_service="mailgun").providers["smtp"].mail_service.name == "mailgun"
    assert EmailSettings(_env_file=None).providers["smtp"].mail_service == MailService()
