"""A provider's request as the service reads it."""

import time
from collections.abc import Callable

import pytest

from devstack.simulators.mail_accounts import Posted, SnsTopic
from email_service.webhooks.events import WebhookRequest
from email_service.webhooks.ses import Ses
from email_service.webhooks.sns import SnsVerifier


@pytest.fixture
def request_of() -> Callable[..., WebhookRequest]:
    """What the service makes of a provider's request, `later` seconds after now."""

    def made(posted: Posted, *, later: float = 0) -> WebhookRequest:
        return WebhookRequest(posted.body, posted.headers, time.time() + later)

    return made


@pytest.fixture
def ses(amazon, topic: SnsTopic) -> Ses:
    return Ses(SnsVerifier([topic.arn], connector=amazon.connector))
