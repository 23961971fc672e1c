"""What a notification needs before it can be published: a recipient who wants it and a template it fills."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api_gateway.errors import TemplateNotFound
from api_gateway.services.directory import Directory
from chassis.errors import Unprocessable
from contracts.languages import choose_language
from contracts.lookups import ActiveTemplate, TemplateInfo
from contracts.messages import TemplateRef
from contracts.reaching import Unreachable, reach
from contracts.recipients import Channel, EmailRecipient, PushRecipient


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks to be sent."""

    notification_type: Channel
    user_id: UUID
    template_code: str
    language: str | None
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved:
    recipient: EmailRecipient | PushRecipient
    template: TemplateRef


class MissingVariables(Unprocessable):
    code = "missing_variables"


class WrongChannel(Unprocessable):
    code = "template_not_for_channel"


async def resolve(wanted: Wanted, directory: Directory) -> Resolved | Unreachable:
    """Raises UserNotFound, TemplateNotFound, MissingVariables, WrongChannel, or DependencyUnavailable."""
    user = await directory.user(wanted.user_id)
    template = choose_template(await directory.template(wanted.template_code), wanted.language or user.language)
    check_fit(template, wanted)
    recipient = reach(user, wanted.notification_type)
    if isinstance(recipient, Unreachable):
        return recipient
    return Resolved(recipient, TemplateRef(code=template.code, version=template.version, language=template.language))


def choose_template(active: ActiveTemplate, language: str | None) -> TemplateInfo:
    chosen = active.languages.get(choose_language(active.languages, language, active.default_language))
    if chosen is None:
        raise TemplateNotFound
    return chosen


def check_fit(template: TemplateInfo, wanted: Wanted) -> None:
    """Names every variable that is missing, not just the first."""
    serves = template.serves_email if wanted.notification_type == "email" else template.serves_push
    if not serves:
        raise WrongChannel(f"The template {template.code} has no {wanted.notification_type} content")
    missing = [path for path in template.required if not _is_given(path, wanted.variables)]
    if missing:
        raise MissingVariables(
            f"The template needs variables that are missing: {', '.join(missing)}",
            data={"errors": [{"field": f"variables.{path}", "message": "The template needs it"} for path in missing]},
        )


def _is_given(path: str, variables: Mapping[str, Any]) -> bool:
    value: Any = variables
    for step in path.split("."):
        if isinstance(value, list):  # Liquid's own: a list is asked for an index, `first`, `last` or `size`
            return True
        if not isinstance(value, Mapping) or value.get(step) is None:
            return False
        value = value[step]
    return True
