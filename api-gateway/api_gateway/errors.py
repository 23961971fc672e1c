"""The gateway's own errors."""

from chassis.errors import Conflict, NotFound, TooManyRequests, Unprocessable
from contracts.emails import ATTACHMENT_NOT_FOUND


class NotificationNotFound(NotFound):
    code, message = "notification_not_found", "There is no notification by that id"


class UserNotFound(NotFound):
    code, message = "user_not_found", "There is no user by that id"


class TemplateNotFound(NotFound):
    code, message = "template_not_found", "There is no template by that code"


class TemplateVersionNotFound(NotFound):
    code, message = "template_version_not_found", "The template has no such version in the language that is sent"


class AttachmentNotFound(NotFound):
    code, message = ATTACHMENT_NOT_FOUND, "There is no attachment by that id"


class AttachmentUnreachable(Unprocessable):
    code, message = "attachment_unreachable", "An attachment could not be fetched from its URL"
    field = "email.attachments.0.url"

    @classmethod
    def at(cls, index: int, reason: str) -> "AttachmentUnreachable":
        return cls(data={"errors": [{"field": f"email.attachments.{index}.url", "message": reason}]})


class SuppressionNotFound(NotFound):
    code, message = "suppression_not_found", "There is no address with that fingerprint on the suppression list"


class HoldNotFound(NotFound):
    code, message = "hold_not_found", "There is no hold by that id"


class HoldEnded(Conflict):
    code, message = "hold_ended", "The hold has ended in another way"


class TooManyHolds(Conflict):
    code, message = "too_many_holds", "The application has too many holds; hold it as a whole, or end some"


class HoldWithoutTemplate(Unprocessable):
    code, message = "hold_without_template", "Only a hold of a template can be released with a version of it"
    field = "template_version"


class HoldOfProvider(Unprocessable):
    code = "hold_of_provider"
    message = "A hold of a provider can be released, not cancelled: it has no notifications of its own"
    field = "hold_id"


class IdempotencyKeyReused(Unprocessable):
    code, message = "idempotency_key_reused", "This request_id was used before with another body"
    field = "request_id"


class NotCancellable(Conflict):
    code, message = "not_cancellable", "The notification was handed over already and cannot be cancelled"


class NotSentYet(Conflict):
    code, message = "not_sent_yet", "The notification is not with a provider yet; report again when it is"


class NotRetryable(Conflict):
    code, message = "not_retryable", "Only a failed or unknown notification can be tried again"


class AmbiguousRequestId(Conflict):
    code, message = "ambiguous_request_id", "Several callers used this request_id; give the notification_id"


class RecipientLimited(TooManyRequests):
    code, message = "recipient_limited", "This person is sent too much; send it later, or as urgent"


class PushTooLarge(Unprocessable):
    code, message = "push_too_large", "The push is larger than what its provider takes"

    @classmethod
    def of(cls, size: int, limit: int) -> "PushTooLarge":
        problem = f"The message to the device has {size} bytes, and its provider takes {limit}"
        return cls(problem, data={"errors": [{"field": "variables", "message": problem}]})


class BatchRejected(Unprocessable):
    code, message = "batch_rejected", "No item of the batch was accepted"


class BatchExceedsRateLimit(Unprocessable):
    code = "batch_exceeds_rate_limit"
