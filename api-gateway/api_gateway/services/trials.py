"""Trials: a version rendered with the variables of notifications that were sent lately, so that mistakes show in time."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from api_gateway.errors import TemplateNotFound
from api_gateway.repositories import personal, trials
from api_gateway.repositories.trials import SentRow, TrialFilter
from api_gateway.schemas.trials import TrialRenderingView, TrialRequest, TrialView, TriedNotification
from api_gateway.services.directory import Directory
from api_gateway.services.reading import visibility_of
from chassis.errors import DependencyUnavailable, ServiceError
from chassis.http.client import ServiceClient
from chassis.json_values import JsonObject
from chassis.postgres.database import Database
from chassis.security import Identity
from chassis.security.data_keys import DataKeys
from contracts.messages import TemplateRef
from contracts.recipients import Channel
from contracts.system_mails import is_system_caller
from contracts.trials import MAX_PAYLOADS, MAX_PAYLOADS_BYTES, TrialRendering, TrialResult, try_version

Found = TypeVar("Found")
SECONDS = 6.0  # for all: then the answer has what was tried until then


@dataclass(frozen=True, slots=True)
class _Sent:
    row: SentRow
    variables: JsonObject

    @property
    def may_be_seen(self) -> bool:
        """The system's own mails grant access to accounts: nobody reads what they say."""
        return not is_system_caller(self.row.caller)


class Trials:
    """Applications try with what they sent themselves, administrators with everything. `templates`: a client with a breaker
    of its own, so that heavy templates do not stop the look-ups of the accepting."""

    def __init__(self, database: Database, data_keys: DataKeys, directory: Directory, templates: ServiceClient) -> None:
        self._database = database
        self._data_keys = data_keys
        self._directory = directory
        self._templates = templates

    async def run(self, code: str, wanted: TrialRequest, identity: Identity) -> TrialView:
        """Raises TemplateNotFound, TemplateVersionNotFound, DependencyUnavailable, ValueUnreadable."""
        before, after = await self._versions(code, wanted)
        caller = visibility_of(identity).caller
        async with self._database.begin() as connection:
            rows = await trials.newest(
                connection, TrialFilter(code, after.language, caller, wanted.notification_type, wanted.last)
            )
        sent = [
            _Sent(row, personal.read_object(self._data_keys, personal.VARIABLES, row.id, row.variables)) for row in rows
        ]
        results = await self._try(before, after, sent)
        shown = [
            _view(one, result, after.language, show_variables=wanted.show_variables)
            for one, result in zip(sent, results, strict=False)
        ]
        return TrialView(
            code=code,
            language=after.language,
            version=after.version,
            active_version=before.version,
            found=len(sent),
            failing=sum(one.after.error is not None for one in shown),
            complete=len(shown) == len(sent),
            notifications=shown,
        )

    async def _versions(self, code: str, wanted: TrialRequest) -> tuple[TemplateRef, TemplateRef]:
        """The active version of the language, and the version to try."""
        active = _or_raise((await self._directory.templates([code], fresh=True))[code])
        language = wanted.language or active.default_language
        if language not in active.languages:
            raise TemplateNotFound("The template does not exist in this language")
        before = TemplateRef(code=code, language=language, version=active.languages[language].version)
        after = TemplateRef(code=code, language=language, version=wanted.version)
        if after != before:
            _or_raise((await self._directory.versions([after]))[after])
        return before, after

    async def _try(self, before: TemplateRef, after: TemplateRef, sent: Sequence[_Sent]) -> list[TrialResult]:
        """The template service answers with what it had time for. Raises DependencyUnavailable if there is nothing yet."""
        results: list[TrialResult] = []
        until = time.monotonic() + SECONDS
        while len(results) < len(sent) and time.monotonic() < until:
            payloads = list(_group(sent[len(results) :]))
            try:
                answered = await try_version(self._templates, before, after, payloads)
            except DependencyUnavailable:
                if not results:
                    raise
                break
            results += answered[: len(payloads)]
            if not answered:  # the template service is busy, or the template is too heavy
                break
        return results


def _or_raise(found: Found | ServiceError) -> Found:
    if isinstance(found, ServiceError):
        raise found
    return found


def _group(sent: Sequence[_Sent]) -> Iterator[tuple[Channel, JsonObject]]:
    """The next ones, as many as go into a question."""
    size = 0
    for index, one in enumerate(sent[:MAX_PAYLOADS]):
        size += len(one.variables.text.encode())
        if index and size > MAX_PAYLOADS_BYTES:
            return
        yield one.row.notification_type, one.variables


def _view(sent: _Sent, result: TrialResult, language: str, *, show_variables: bool) -> TriedNotification:
    seen = sent.may_be_seen
    return TriedNotification(
        notification_id=sent.row.id,
        notification_type=sent.row.notification_type,
        language=language,
        created_at=sent.row.created_at,
        before=_rendering(result.before, seen=seen),
        after=_rendering(result.after, seen=seen),
        links_added=result.links_added,
        links_removed=result.links_removed,
        added=list(result.added) if seen else None,
        removed=list(result.removed) if seen else None,
        variables=sent.variables if seen and show_variables else None,
    )


def _rendering(one: TrialRendering, *, seen: bool) -> TrialRenderingView:
    rendered = one.error is None
    return TrialRenderingView(
        error=one.error,
        message=one.message or None,
        missing_variables=list(one.missing),
        subject=one.subject if rendered and seen else None,
        subject_length=one.subject_length if rendered else None,
    )
