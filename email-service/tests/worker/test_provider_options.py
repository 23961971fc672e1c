"""A mail has the headers of the provider that sends it, also after another provider could not."""

import email
import json

from pydantic import SecretStr

from contracts.emails import EmailOptions, ProviderOptions
from devstack.simulators.smtp import SmtpSimulator
from email_service.senders.smtp.provider import SmtpProvider
from testkit.dkim_keys import inline, rsa, verdicts

ASKED = EmailOptions(provider=ProviderOptions(tag="receipt", stream="news", metadata={"campaign": "spring"}))


def blocks(first: SmtpSimulator, second: SmtpSimulator) -> dict[str, SmtpProvider]:
    return {
        "one": SmtpProvider(host="127.0.0.1", port=first.port, service="postmark"),
        "two": SmtpProvider(host="127.0.0.1", port=second.port, order=2, service="ses", streams={"news": "own"}),
    }


async def test_after_a_failover_it_has_the_other_providers_headers_and_a_good_signature(
    world, message, lookups, inbox, simulator, until
):
    other = SmtpSimulator(inbox)
    await other.start()
    keys = SecretStr(f"example.org:s1:{inline(rsa())}")
    settings = world.settings.model_copy(update={"dkim_keys": keys})
    async with world.worker(email_providers=blocks(simulator, other), dkim_keys=keys):
        for number in range(2):
            if number:
                await simulator.close()
            sent = message(lookups.add_user(f"ada{number}@example.com"), email=ASKED)
            await world.publish(sent)
            await until(lambda sent=sent: world.statuses(sent.notification_id)[-1:] == ["sent"])
            assert world.last(sent.notification_id).provider == ("one", "two")[number]
    await other.close()
    first, second = (email.message_from_bytes(mail.raw) for mail in inbox.emails)
    assert (first["X-PM-Tag"], first["X-PM-Message-Stream"], first["X-PM-Metadata-campaign"]) == (
        "receipt", "news", "spring"
    )  # fmt: skip
    assert (second["X-SES-CONFIGURATION-SET"], second["X-SES-MESSAGE-TAGS"]) == ("own", "tag=receipt, campaign=spring")
    assert [name for name in (*first, *second) if name.startswith("X-SES")] == [
        n for n in second if n.startswith("X-SES")
    ]
    assert not [name for name in second if name.startswith("X-PM")]
    for mail in inbox.emails:
        assert verdicts(mail.raw, {key.record_name: key.record for key in settings.signing_keys.all}) == [True]


async def test_a_server_without_a_service_is_told_nothing(world, message, lookups, inbox, until):
    async with world.worker():
        await world.publish(message(lookups.add_user("ada@example.com"), email=ASKED))
        await until(lambda: inbox.emails.total == 1)
    [mail] = inbox.emails
    assert b"receipt" not in mail.raw


async def test_the_one_server_of_the_settings_is_told_in_its_form(world, message, lookups, inbox, until):
    async with world.worker(smtp_service="sendgrid"):
        await world.publish(message(lookups.add_user("ada@example.com"), email=ASKED))
        await until(lambda: inbox.emails.total == 1)
    [mail] = inbox.emails
    told = json.loads(email.message_from_bytes(mail.raw)["X-SMTPAPI"])
    assert told == {"category": ["receipt"], "unique_args": {"campaign": "spring"}, "ip_pool": "news"}
