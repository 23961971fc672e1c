"""The settings of providers' webhooks. A provider without one has no webhook here."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from chassis.fields import listed
from email_service.mail_settings import MailSettings
from email_service.webhooks.postmark import TAG_HEADER
from email_service.webhooks.sendgrid import public_key
from email_service.webhooks.sns import host_of

MIN_PASSWORD = 16


def _topics(given: tuple[str, ...]) -> tuple[str, ...]:
    for topic in given:
        host_of(topic)
    return given


class WebhookSettings(MailSettings):
    """What proves that a webhook comes from its provider."""

    ses_topic_arns: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed), AfterValidator(_topics)] = Field(
        default=(),
        description="ARNs of the SNS topics with the events of Amazon SES, separated by commas. Their messages are taken at "
        "`/api/v1/webhooks/ses`, and their subscriptions confirmed. Unset: none",
    )
    sendgrid_webhook_public_key: str = Field(
        default="",
        description="Verification key of SendGrid's signed Event Webhook, as SendGrid shows it. Unset: "
        "`/api/v1/webhooks/sendgrid` is a 404",
    )
    mailgun_webhook_signing_key: SecretStr = Field(
        default=SecretStr(""),
        description="Mailgun's HTTP webhook signing key. Unset: `/api/v1/webhooks/mailgun` is a 404",
    )
    postmark_webhook_password: SecretStr = Field(
        default=SecretStr(""),
        description="Password in the URL of Postmark's webhook, `https://postmark:<password>@…/api/v1/webhooks/postmark`, at "
        "least 16 characters. Mails then carry a header with the notification's id for Postmark. Unset: a 404",
    )

    @property
    def id_headers(self) -> tuple[str, ...]:
        """Further headers of every mail with the notification's id, for providers that give it a Message-ID of their own."""
        return (TAG_HEADER,) if self.postmark_webhook_password.get_secret_value() else ()

    @field_validator("sendgrid_webhook_public_key")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        if value:
            public_key(value)
        return value

    @field_validator("postmark_webhook_password")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value()) < MIN_PASSWORD:
            raise ValueError(f"has at least {MIN_PASSWORD} characters")
        return value
