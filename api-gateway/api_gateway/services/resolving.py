"""Resolves a notification before it is published: a recipient who accepts it, and a template that fits."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from api_gateway.errors import TemplateNotFound, TemplateVersionNotFound, UserNotFound
from api_gateway.services.directory import Directory
from chassis.errors import DependencyUnavailable, ServiceError, Unprocessable
from chassis.process.yielding import map_yielding
from chassis.security import application_of
from contracts.fields import choose_language
from contracts.messages import TemplateRef
from contracts.recipients import Channel, EmailRecipient, PushRecipient
from contracts.templates import ActiveTemplate, TemplateInfo
from contracts.users import Unreachable, UserContact, resolve_recipient


class ResolutionInput(Protocol):
    """A notification to resolve: a request, or a row that is not resolved yet."""

    @property
    def notification_type(self) -> Channel: ...

    @property
    def user_id(self) -> UUID | None: ...

    @property
    def given_recipient(self) -> EmailRecipient | PushRecipient | None:
        """The recipient that the caller gave in place of a user."""

    @property
    def template_code(self) -> str: ...

    @property
    def template_version(self) -> int | None: ...

    @property
    def language(self) -> str | None: ...

    @property
    def variables(self) -> Mapping[str, Any]: ...


class Resolved(NamedTuple):
    recipient: EmailRecipient | PushRecipient
    template: TemplateInfo


class MissingVariables(Unprocessable):
    code, message, field = "missing_variables", "The template needs variables that are missing", "variables"


class WrongChannel(Unprocessable):
    code, message, field = "template_not_for_channel", "The template has no content for this channel", "template_code"


class AnothersContact(UserNotFound):
    """Answered like an unknown user: a caller learns nothing about another application's contact."""


Resolution = Resolved | Unreachable | ServiceError


async def resolve(
    wanted: Sequence[ResolutionInput],
    directory: Directory,
    callers: Sequence[str],
    *,
    fresh: bool = False,
    urgent: bool = False,
) -> list[Resolution]:
    """Returns for each item the recipient and template, or the reason why its caller (`Identity.caller`) cannot send it.

    The reason is UserNotFound, TemplateNotFound, TemplateVersionNotFound, MissingVariables, WrongChannel, or
    DependencyUnavailable if it is not known now. Before an item is refused, it is looked up again without this process's
    memory: the device may have been registered, or the template fixed, a moment ago. `fresh`: every
    look-up skips this process's memory. `urgent`: the look-ups do not wait for a group of other look-ups.
    """
    items = [*zip(wanted, callers, strict=True)]
    resolutions = await _looked_up(items, directory, fresh=fresh, urgent=urgent)
    if fresh:
        return resolutions
    again = [index for index, resolution in enumerate(resolutions) if isinstance(resolution, MAY_HAVE_CHANGED)]
    if again:
        looked_up = await _looked_up([items[index] for index in again], directory, fresh=True, urgent=urgent)
        for index, resolution in zip(again, looked_up, strict=True):
            if not isinstance(resolution, DependencyUnavailable):  # otherwise the remembered result is kept
                resolutions[index] = resolution
    return resolutions


async def _looked_up(
    items: Sequence[tuple[ResolutionInput, str]], directory: Directory, *, fresh: bool, urgent: bool
) -> list[Resolution]:
    wanted = [one for one, _ in items]
    people = {one.user_id for one in wanted if one.given_recipient is None and one.user_id is not None}
    users = await directory.users(people, fresh=fresh, urgent=urgent) if people else {}
    templates = await directory.templates({one.template_code for one in wanted}, fresh=fresh, urgent=urgent)

    def found_for(pair: tuple[ResolutionInput, str]) -> _Found | ServiceError:
        one, caller = pair
        return _found(one, _person(one, users, caller), templates[one.template_code])

    found = await map_yielding(found_for, items)
    others = {
        ref
        for one, resolution in zip(wanted, found, strict=True)
        if (ref := _other_version(one, resolution)) is not None
    }
    versions = await directory.versions(others, urgent=urgent) if others else {}
    return await map_yielding(lambda pair: _resolution(*pair, versions), [*zip(wanted, found, strict=True)])


# Reasons against sending that may come from this process's memory and are checked again.
MAY_HAVE_CHANGED = Unreachable | Unprocessable | AnothersContact
# Errors that `resolve` may find in a request, for the OpenAPI answers of the routes that return them.
CANNOT_BE_SENT = (UserNotFound, TemplateNotFound, TemplateVersionNotFound, MissingVariables, WrongChannel)


class _Found(NamedTuple):
    person: UserContact | EmailRecipient | PushRecipient
    active: TemplateInfo


def _person(
    one: ResolutionInput, users: Mapping[UUID, UserContact | ServiceError], caller: str
) -> UserContact | EmailRecipient | PushRecipient | ServiceError:
    if one.given_recipient is not None:
        return one.given_recipient
    return UserNotFound() if one.user_id is None else _reachable(users[one.user_id], caller)


def _reachable(user: UserContact | ServiceError, caller: str) -> UserContact | ServiceError:
    """A contact belongs to its application alone. Among users, only administrators may send to other users."""
    if isinstance(user, ServiceError) or user.application_id is None:
        return user
    application = application_of(caller)
    return user if application is None or application == str(user.application_id) else AnothersContact()


def _found(
    wanted: ResolutionInput,
    person: UserContact | EmailRecipient | PushRecipient | ServiceError,
    active: ActiveTemplate | ServiceError,
) -> _Found | ServiceError:
    if isinstance(person, ServiceError):
        return person
    if isinstance(active, ServiceError):
        return active
    try:
        language = person.language if isinstance(person, UserContact) else None
        return _Found(person, choose_template(active, wanted.language or language))
    except ServiceError as refused:
        return refused


def _other_version(wanted: ResolutionInput, found: _Found | ServiceError) -> TemplateRef | None:
    """The version to look up, if a version is named and it is not the active one."""
    if isinstance(found, ServiceError) or wanted.template_version in {None, found.active.version}:
        return None
    return TemplateRef(code=found.active.code, version=wanted.template_version, language=found.active.language)


def _resolution(
    wanted: ResolutionInput, found: _Found | ServiceError, versions: Mapping[TemplateRef, TemplateInfo | ServiceError]
) -> Resolution:
    if isinstance(found, ServiceError):
        return found
    other = _other_version(wanted, found)
    template = versions[other] if other is not None else found.active
    if isinstance(template, ServiceError):
        return template
    try:
        check_fit(template, wanted)
    except ServiceError as refused:
        return refused
    if not isinstance(found.person, UserContact):
        return Resolved(found.person, template)
    recipient = resolve_recipient(found.person, wanted.notification_type, template.purpose)
    return recipient if isinstance(recipient, Unreachable) else Resolved(recipient, template)


def choose_template(active: ActiveTemplate, language: str | None) -> TemplateInfo:
    chosen = active.languages.get(choose_language(active.languages, language, active.default_language))
    if chosen is None:
        raise TemplateNotFound
    return chosen


def check_fit(template: TemplateInfo, wanted: ResolutionInput) -> None:
    """Names every variable that the channel needs and the request lacks, not just the first."""
    serves = template.serves_email if wanted.notification_type == "email" else template.serves_push
    if not serves:
        problem = f"The template {template.code} is not for {wanted.notification_type}"
        raise WrongChannel(problem, data={"errors": [{"field": "notification_type", "message": problem}]})
    required = template.required_for(wanted.notification_type)
    missing = [path for path in required if not _is_given(path, wanted.variables)]
    if missing:
        raise MissingVariables(
            f"The template needs variables that are missing: {', '.join(missing)}",
            data={"errors": [{"field": f"variables.{path}", "message": "The template needs it"} for path in missing]},
        )


def _is_given(path: str, variables: Mapping[str, Any]) -> bool:
    value: Any = variables
    for step in path.split("."):
        if isinstance(value, list):  # as in Liquid: a list accepts an index, `first`, `last` or `size`
            return True
        if not isinstance(value, Mapping) or value.get(step) is None:
            return False
        value = value[step]
    return True
