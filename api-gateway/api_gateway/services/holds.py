"""Holds: place, list, release, cancel."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.errors import (
    HoldEnded,
    HoldNotFound,
    HoldOfProvider,
    HoldWithoutTemplate,
    TemplateVersionNotFound,
    TooManyHolds,
)
from api_gateway.repositories import held_rows, holds, progress
from api_gateway.repositories.audit import TRAIL
from api_gateway.repositories.holds import Ending, HoldFilter, HoldTarget, Renewal, StoredHold
from api_gateway.schemas.holds import HoldRequest, HoldView
from api_gateway.services.directory import Directory
from api_gateway.services.known_holds import KnownHolds
from api_gateway.services.resolving import resolve
from chassis.audit import Actor, Change
from chassis.errors import Forbidden
from chassis.http.envelope import Meta
from chassis.postgres.database import Database
from chassis.security import Identity
from chassis.security.data_keys import DataKeys
from contracts.recipients import Channel

MAX_IN_FORCE = 100  # of an application: every process knows them all
MAX_EXAMINED = 1_000  # held notifications whose template version is looked up before a release


class HoldService:
    """Administrators may hold everything. An application's key may hold, see and end what is its own."""

    def __init__(self, database: Database, data_keys: DataKeys, *, directory: Directory, known: KnownHolds) -> None:
        self._database = database
        self._data_keys = data_keys
        self._directory = directory
        self._known = known

    async def place(self, request: HoldRequest, identity: Identity, actor: Actor) -> tuple[HoldView, bool]:
        """The hold, and whether it is new: a hold of the same target that stands is returned as it is.

        Raises Forbidden, TooManyHolds.
        """
        target = _target(request, identity)
        async with self._database.begin() as connection:
            stored, new = await holds.place(connection, target, reason=request.reason, by=identity.caller)
            if new:
                if not identity.is_admin and await holds.in_force(connection, identity.caller) > MAX_IN_FORCE:
                    raise TooManyHolds
                change = Change({}, {**_named(stored), "reason": stored.reason})
                await TRAIL.record(connection, actor, "hold.placed", _name(stored.id), change)
        await self._known.refresh()
        return await self._view(stored), new

    async def page(
        self, identity: Identity, *, standing: bool | None, limit: int, page: int
    ) -> tuple[Sequence[HoldView], Meta]:
        """Newest first. An application sees the holds on itself, whoever placed them."""
        wanted = HoldFilter(standing=standing)
        if not identity.is_admin:
            wanted = HoldFilter(_application(identity), identity.test, standing)
        async with self._database.begin() as connection:
            rows, total = await holds.page(connection, wanted, limit=limit, offset=(page - 1) * limit)
            views = await _views(connection, rows)
        return views, Meta.for_page(total, limit=limit, page=page)

    async def find(self, hold_id: UUID, identity: Identity) -> HoldView:
        """Raises HoldNotFound, also for a hold that the caller may not see."""
        async with self._database.begin() as connection:
            [view] = await _views(connection, [_seen(await holds.find(connection, hold_id), identity)])
        return view

    async def end(
        self,
        hold_id: UUID,
        outcome: holds.HoldOutcome,
        identity: Identity,
        actor: Actor,
        *,
        renewal: Renewal | None = None,
    ) -> HoldView:
        """Ends a hold; ending it again in the same way changes nothing.

        Raises HoldNotFound; Forbidden, if another caller placed it; HoldEnded, if it ended in another way;
        HoldWithoutTemplate and TemplateVersionNotFound; HoldOfProvider, if it should be cancelled.
        """
        if renewal is not None:
            async with self._database.begin() as connection:
                found = _owned(await holds.find(connection, hold_id), identity)
            await self._check_version(found, renewal)
        async with self._database.begin() as connection:
            stored = _owned(await holds.find(connection, hold_id, lock=True), identity)
            if outcome == "cancelled" and stored.provider is not None:
                raise HoldOfProvider
            if stored.ended_at is None:
                stored = await holds.end(connection, hold_id, Ending(outcome, identity.caller, renewal))
                after = {} if renewal is None else {"template_version": renewal.template_version or "active"}
                await TRAIL.record(connection, actor, f"hold.{outcome}", _name(hold_id), Change(_named(stored), after))
            elif (stored.outcome, stored.renewal) != (outcome, renewal):
                raise HoldEnded
        await self._known.refresh()
        return await self._view(stored)

    async def _check_version(self, hold: StoredHold, renewal: Renewal) -> None:
        """Raises HoldWithoutTemplate, and TemplateVersionNotFound if one of the first held notifications has no such version.
        Any other error ends a notification visibly after the release."""
        if hold.template_code is None:
            raise HoldWithoutTemplate
        async with self._database.begin() as connection:
            held = await progress.held_candidates(
                connection,
                hold.id,
                template_version=renewal.template_version,
                limit=MAX_EXAMINED,
                data_keys=self._data_keys,
            )
        for resolution in await resolve(held, self._directory, [one.caller for one in held], fresh=True):
            if isinstance(resolution, TemplateVersionNotFound):
                raise resolution

    async def _view(self, stored: StoredHold) -> HoldView:
        async with self._database.begin() as connection:
            [view] = await _views(connection, [stored])
        return view


def _seen(stored: StoredHold | None, identity: Identity) -> StoredHold:
    """The hold, if the caller may see it."""
    if stored is None:
        raise HoldNotFound
    if not identity.is_admin and (
        stored.application_id != _application(identity) or stored.test not in {None, identity.test}
    ):
        raise HoldNotFound
    return stored


def _owned(stored: StoredHold | None, identity: Identity) -> StoredHold:
    """The hold, if the caller may end it."""
    seen = _seen(stored, identity)
    if not identity.is_admin and seen.created_by != identity.caller:
        raise Forbidden("Only whoever placed a hold, or an administrator, can end it")
    return seen


def _application(identity: Identity) -> UUID:
    if identity.application_id is None:
        raise Forbidden("Only administrators and applications can hold notifications")
    return UUID(identity.application_id)


def _target(request: HoldRequest, identity: Identity) -> HoldTarget:
    """Raises Forbidden for another application than the key's own, and for a provider."""
    application_id, test = request.application_id, None
    if not identity.is_admin:
        if request.provider is not None:
            raise Forbidden("Only administrators can hold a provider: all applications use it")
        own, test = _application(identity), identity.test
        if application_id not in {None, own}:
            raise Forbidden("An application can hold its own notifications only")
        application_id = own
    return HoldTarget(request.template_code, application_id, test, request.notification_type, request.provider)


async def _views(connection: AsyncConnection, rows: Sequence[StoredHold]) -> list[HoldView]:
    counts = await held_rows.counts(connection, [row.id for row in rows])
    oldest = await held_rows.oldest(connection, list(counts)) if counts else {}
    return [_view(row, counts.get(row.id, {}), oldest.get(row.id)) for row in rows]


def _view(stored: StoredHold, held: dict[Channel, int], oldest: datetime | None) -> HoldView:
    left = sum(held.values())
    return HoldView(
        hold_id=stored.id,
        **_named(stored),
        reason=stored.reason,
        status=_status(stored, left),
        held=left,
        held_by_channel=held,
        oldest_held_at=oldest,
        created_by=stored.created_by,
        created_at=stored.created_at,
        ended_by=stored.ended_by,
        ended_at=stored.ended_at,
        template_version=stored.template_version,
        active_version=stored.renewed and stored.template_version is None,
    )


def _status(stored: StoredHold, left: int) -> Literal["standing", "releasing", "released", "cancelling", "cancelled"]:
    match stored.outcome:
        case None:
            return "standing"
        case "released":
            return "releasing" if left else "released"
        case "cancelled":
            return "cancelling" if left else "cancelled"


def _named(stored: StoredHold) -> dict[str, object]:
    return {
        "template_code": stored.template_code,
        "application_id": stored.application_id,
        "test": stored.test,
        "notification_type": stored.notification_type,
        "provider": stored.provider,
    }


def _name(hold_id: UUID) -> str:
    return f"hold:{hold_id}"
