"""The content of a notification's messages: rendered from its template, then completed with copies and attachments.

The template has the purpose, so a mail of a purpose that its recipient unsubscribed from ends here as suppressed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic

import structlog

from chassis.errors import DependencyUnavailable, Unavailable
from chassis.security import Sender
from contracts.messages import NotificationMessage
from contracts.recipients import EmailRecipient, PushRecipient
from delivery.channel import Address, AttachmentGone, Content, DeliveryChannel
from delivery.outcomes import Defect, Permanent, ProviderDown, Suppressed
from delivery.template_store import TemplateGone, TemplateStore
from templating import TemplateError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rendered(Generic[Content]):
    """The content for all targets, and its template's purpose and sender. `free` frees the memory of attachments."""

    content: Content
    purpose: str | None
    sender: Sender | None
    free: Callable[[], None] | None = None


NotRendered = Permanent | Defect | ProviderDown | Suppressed


class Contents(Generic[Address, Content]):
    """Every error becomes an outcome. A defect has to spend attempts: otherwise the message would be retried for ever."""

    def __init__(self, channel: DeliveryChannel[Address, Content], templates: TemplateStore) -> None:
        self._channel = channel
        self._templates = templates

    async def render(
        self, message: NotificationMessage, recipient: EmailRecipient | PushRecipient
    ) -> Rendered[Content] | NotRendered:
        rendered = await self._render_template(message, recipient)
        if isinstance(rendered, Rendered) and message.email is not None and not message.test:
            return await self._completed(rendered, message)
        return rendered

    async def _render_template(
        self, message: NotificationMessage, recipient: EmailRecipient | PushRecipient
    ) -> Rendered[Content] | NotRendered:
        try:
            template = await self._templates.get(message.template)
            if isinstance(recipient, EmailRecipient) and template.purpose in recipient.unsubscribed:
                return Suppressed("unsubscribed")
            return Rendered(self._channel.render(template.compiled, message), template.purpose, template.sender)
        except TemplateGone:
            return Permanent("template_gone")
        except TemplateError as error:
            return Permanent("render_failed", error.message)
        except DependencyUnavailable as error:
            return ProviderDown("template_unavailable", error.message)
        except Exception:
            log.exception("delivery.rendering_failed")
            return Defect("rendering_failed")

    async def _completed(
        self, rendered: Rendered[Content], message: NotificationMessage
    ) -> Rendered[Content] | NotRendered:
        """Adds copies and attachments. While a service is down, no attempt is spent."""
        try:
            completed = await self._channel.complete(rendered.content, message)
        except AttachmentGone:
            return Permanent("attachment_gone")
        except Unavailable as error:
            return ProviderDown("attachment_unavailable", error.message)
        except Exception:
            log.exception("delivery.completing_failed")
            return Defect("completing_failed")
        return replace(rendered, content=completed.content, free=completed.free)
