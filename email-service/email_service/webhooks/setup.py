"""The webhooks of the providers that are configured."""

from delivery.runtime import WorkerRuntime
from email_service.bounces.recording import BounceRecorder
from email_service.settings import EmailSettings
from email_service.webhooks.events import Webhook
from email_service.webhooks.mailgun import Mailgun
from email_service.webhooks.postmark import Postmark
from email_service.webhooks.receiving import WebhookReceiver
from email_service.webhooks.sendgrid import SendGrid, public_key
from email_service.webhooks.ses import Ses
from email_service.webhooks.sns import SnsVerifier


def receive_webhooks(settings: EmailSettings, runtime: WorkerRuntime, recorder: BounceRecorder) -> WebhookReceiver:
    return WebhookReceiver(runtime, recorder, settings.return_path, webhooks_of(settings))


def webhooks_of(settings: EmailSettings) -> dict[str, Webhook]:
    """By the provider's name in the route."""
    found: dict[str, Webhook] = {}
    if settings.ses_topic_arns:
        found["ses"] = Ses(SnsVerifier(settings.ses_topic_arns))
    if settings.sendgrid_webhook_public_key:
        found["sendgrid"] = SendGrid(public_key(settings.sendgrid_webhook_public_key))
    if key := settings.mailgun_webhook_signing_key.get_secret_value():
        found["mailgun"] = Mailgun(key)
    if password := settings.postmark_webhook_password.get_secret_value():
        found["postmark"] = Postmark(password)
    return found
