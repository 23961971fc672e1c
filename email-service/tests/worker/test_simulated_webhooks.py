"""The simulated provider reports in each provider's form, signed as that provider signs, and the worker believes it."""

import hashlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from secrets import token_hex
from uuid import uuid4

import pytest
from pydantic import SecretStr

from contracts.recipients import EmailRecipient
from devstack.serving import serving
from devstack.simulators.mail_accounts import MailAccounts
from devstack.simulators.smtp import SmtpSimulator
from devstack.simulators.webhooks import Webhooks
from email_service.webhooks import setup
from email_service.webhooks.sns import SnsVerifier
from testkit.eventually import eventually

FORMS = ("ses", "sendgrid", "mailgun", "postmark")


@pytest.fixture
async def send(world, message, lookups, inbox, amazon, monkeypatch) -> AsyncIterator[object]:
    """Sends to an address, through a worker that takes the webhooks of all four providers on a port of its own.

    It returns the notification's id and the worker's app.
    """
    monkeypatch.setattr(setup, "SnsVerifier", partial(SnsVerifier, connector=amazon.connector))
    accounts = replace(MailAccounts.of_secret(bytes.fromhex(token_hex(32))), ses=amazon.topic)
    password = token_hex(16)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://postmark:{password}@127.0.0.1:{listener.getsockname()[1]}/api/v1/webhooks/postmark"
        provider = SmtpSimulator(inbox, webhooks=Webhooks(url, accounts))
        await provider.start()
        changed = {
            "smtp_port": provider.port,
            "ses_topic_arns": (amazon.topic.arn,),
            "sendgrid_webhook_public_key": accounts.sendgrid.shown_key,
            "mailgun_webhook_signing_key": SecretStr(accounts.mailgun.key),
            "postmark_webhook_password": SecretStr(password),
        }

        async def sent(address: str) -> tuple[object, object]:
            one = message(lookups.add_user(address), recipient=EmailRecipient(name="Ada", email=address))
            await world.publish(one)
            return one.notification_id, app

        async with world.worker(**changed) as app, serving(app, listener, lifespan="off", grace_seconds=1):
            yield sent
        await provider.close()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("delivered", ("delivered", "delivered", None)),
        ("bounced", ("hard", "failed", "bounced")),
        ("full", ("soft", "failed", None)),
        ("complaint", ("complained", "delivered", "complained")),
    ],
)
async def test_each_report_means_the_same_in_every_providers_form(world, send, form, word, meant):
    result, status, reason = meant
    tag = uuid4().hex if form == "postmark" else f"{form}-{uuid4().hex}"
    address = f"{word}+{tag}@example.com"
    notification_id, app = await send(address)
    labels = {"provider": form, "result": result}
    await eventually(lambda: app.state.metrics.get_sample_value("webhook_events_total", labels) == 1)
    await eventually(lambda: status in world.statuses(notification_id))
    found = await app.state.suppressions.get(hashlib.sha256(address.encode()).hexdigest())
    assert (None if found is None else found.reason) == reason
    for other in set(FORMS) - {form}:
        for refused in ("refused", "outdated", "unreadable", "unmatched", result):
            labels = {"provider": other, "result": refused}
            assert app.state.metrics.get_sample_value("webhook_events_total", labels) == 0
