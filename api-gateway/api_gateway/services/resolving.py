"""What a notification needs before it can be published: a recipient who wants it and a template it fills."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from api_gateway.errors import TemplateNotFound
from api_gateway.services.directory import Directory
from chassis.errors import ServiceError, Unprocessable
from contracts.languages import choose_language
from contracts.lookups import ActiveTemplate, TemplateInfo, UserContact
from contracts.reaching import Unreachable, reach
from contracts.recipients import Channel, EmailRecipient, PushRecipient


class Wanted(Protocol):
    """What is to be sent: a request, or a row that was not resolved."""

    @property
    def notification_type(self) -> Channel: ...

    @property
    def user_id(self) -> UUID: ...

    @property
    def template_code(self) -> str: ...

    @property
    def language(self) -> str | None: ...

    @property
    def variables(self) -> Mapping[str, Any]: ...


class Resolved(NamedTuple):
    recipient: EmailRecipient | PushRecipient
    template: TemplateInfo


class MissingVariables(Unprocessable):
    code = "missing_variables"


class WrongChannel(Unprocessable):
    code = "template_not_for_channel"


Fit = Resolved | Unreachable | ServiceError


async def resolve(wanted: Sequence[Wanted], directory: Directory) -> list[Fit]:
    """For each what was found, or why it cannot be sent.

    That is UserNotFound, TemplateNotFound, MissingVariables, WrongChannel, or DependencyUnavailable: not known now.
    """
    users = await directory.users({one.user_id for one in wanted})
    templates = await directory.templates({one.template_code for one in wanted})
    return [_fit(one, users[one.user_id], templates[one.template_code]) for one in wanted]


def _fit(wanted: Wanted, user: UserContact | ServiceError, active: ActiveTemplate | ServiceError) -> Fit:
    if isinstance(user, ServiceError):
        return user
    if isinstance(active, ServiceError):
        return active
    try:
        template = choose_template(active, wanted.language or user.language)
        check_fit(template, wanted)
    except ServiceError as refused:
        return refused
    recipient = reach(user, wanted.notification_type)
    if isinstance(recipient, Unreachable):
        return recipient
    return Resolved(recipient, template)


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
