"""Accepting the mails that the system itself sends (`contracts.system_mails`)."""

from api_gateway.repositories.accepting import Receipt
from api_gateway.schemas.requests import NotificationRequest
from api_gateway.services.accepting import RequestContext, new_notification
from api_gateway.services.directory import Directory
from api_gateway.services.outbox import Outbox
from api_gateway.services.resolving import Resolved, check_fit, choose_template
from api_gateway.services.store import Store
from chassis.errors import ServiceError
from chassis.json_values import JsonObject
from chassis.observability.correlation import correlation_id
from chassis.observability.tracing import trace_context
from contracts.system_mails import SYSTEM_CALLER, SystemMail
from contracts.topology import URGENT


class SystemMails:
    """The sending service keeps a mail until it is accepted. So a mail that cannot be looked up now is refused, not
    deferred."""

    def __init__(self, directory: Directory, store: Store, outbox: Outbox) -> None:
        self._directory = directory
        self._store = store
        self._outbox = outbox

    async def accept(self, service: str, mail: SystemMail) -> Receipt:
        """Durable when it returns. Raises TemplateNotFound, MissingVariables, WrongChannel, DependencyUnavailable."""
        request = NotificationRequest(
            notification_type="email",
            user_id=mail.user_id,
            template_code=mail.template_code,
            variables=JsonObject(values=dict(mail.variables)),
            request_id=mail.request_id,
            priority=URGENT,
            language=mail.language,
            expires_at=mail.expires_at,
        )
        active = (await self._directory.templates([mail.template_code], urgent=True))[mail.template_code]
        if isinstance(active, ServiceError):
            raise active
        template = choose_template(active, mail.language)
        check_fit(template, request)
        context = RequestContext(f"{SYSTEM_CALLER}{service}", correlation_id(), trace_context())
        leased = self._outbox.has_capacity(request.priority)
        resolution = Resolved(mail.recipient, template)
        row = new_notification(request, context, resolution, user_id=mail.user_id, leased=leased)
        [receipt] = await self._store.accept([row], urgent=True)
        if leased and receipt.is_new:
            self._outbox.offer(row, receipt.created_at)
        return receipt
