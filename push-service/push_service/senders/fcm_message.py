"""FCM's message (firebase.google.com/docs/reference/fcm/rest/v1/projects.messages), as far as we use it.

The notification's id is its tag on every platform: a copy sent again after a lost answer takes the first one's place on
the device instead of standing beside it.
"""

from pydantic import BaseModel, ConfigDict, Field

from delivery.channel import Envelope
from templating import RenderedPush

LARGEST_PAYLOAD = 4096  # bytes, keys and values; a notification that is larger is refused whole
URGENT = 8  # the priority from which a sleeping device is woken


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class _Tag(_Part):
    tag: str


class _Notification(_Part):
    title: str | None
    body: str | None
    image: str | None


class _Android(_Part):
    notification: _Tag
    priority: str | None


class _ApnsHeaders(_Part):
    collapse_id: str = Field(serialization_alias="apns-collapse-id")


class _Apns(_Part):
    headers: _ApnsHeaders


class _Link(_Part):
    link: str


class _WebPush(_Part):
    notification: _Tag
    fcm_options: _Link | None


class FcmMessage(_Part):
    token: str
    notification: _Notification
    data: dict[str, str]
    android: _Android
    apns: _Apns
    webpush: _WebPush

    @property
    def payload_bytes(self) -> int:
        """What FCM holds against its limit: the texts that reach the device, and their names."""
        shown = self.notification
        texts = {"title": shown.title or "", "body": shown.body or "", "image": shown.image or "", **self.data}
        return sum(len(name.encode()) + len(text.encode()) for name, text in texts.items() if text)

    def request_body(self) -> bytes:
        return SendRequest(message=self).model_dump_json(by_alias=True, exclude_none=True).encode()


class SendRequest(_Part):
    message: FcmMessage


def fcm_message(content: RenderedPush, token: str, envelope: Envelope) -> FcmMessage:
    """Values of `data` are strings, as FCM demands; a link for the browser must be https there."""
    notification_id = str(envelope.notification_id)
    data = {"notification_id": notification_id, "correlation_id": envelope.correlation_id, "link": content.link}
    tag = _Tag(tag=notification_id)
    return FcmMessage(
        token=token,
        notification=_Notification(title=content.title or None, body=content.body or None, image=content.image or None),
        data={name: value for name, value in data.items() if value},
        android=_Android(notification=tag, priority="HIGH" if envelope.priority >= URGENT else None),
        apns=_Apns(headers=_ApnsHeaders(collapse_id=notification_id)),
        webpush=_WebPush(
            notification=tag, fcm_options=_Link(link=content.link) if content.link.startswith("https://") else None
        ),
    )
