"""Adds, replaces and removes push tokens. Web Push endpoints come from users, and workers send requests to them, so their
hosts are checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.audit import Actor, AuditTrail, Change, Personal, changed
from chassis.errors import field_error
from chassis.postgres.database import Database
from contracts.users import DeadPushToken
from contracts.web_push import PushServices, one_spelling
from user_service.errors import PushTokenNotFound, TooManyPushTokens, UserNotFound
from user_service.repositories import push_tokens, removed_devices, users
from user_service.repositories.audit import user_fields, user_target
from user_service.repositories.push_tokens import Device, StoredPushToken
from user_service.repositories.removed_devices import RemovalReason, StoredRemoval
from user_service.schemas.push_tokens import Given, PushTokenAddition, PushTokenReplacement, device_of
from user_service.services.token_validation import TokenValidation
from user_service.services.users import UserLookups, locked, stored

log = structlog.get_logger()

MAX_DEVICES = 20


@dataclass(frozen=True, slots=True)
class Registration:
    """A device that now belongs to a user. `earlier_owner` is None, the same user, or another user who no longer has it."""

    user_id: UUID
    token: StoredPushToken
    earlier_owner: UUID | None

    @property
    def is_new(self) -> bool:
        return self.earlier_owner != self.user_id

    @property
    def moved_from(self) -> UUID | None:
        return self.earlier_owner if self.is_new else None


class PushTokens:
    """A user's devices: at most MAX_DEVICES. A device belongs to one user."""

    def __init__(
        self,
        database: Database,
        lookups: UserLookups,
        audit: AuditTrail,
        *,
        services: PushServices,
        validation: TokenValidation | None = None,
    ) -> None:
        """`validation` None: new tokens are not validated."""
        self._database = database
        self._lookups = lookups
        self._audit = audit
        self._services = services
        self._validation = validation

    async def device(self, given: Given, *, field: str = "push_token") -> Device:
        """The device to register. Raises what `_device` raises, and a 422 about `field` if FCM refuses a new device's token.

        Call it before a transaction begins: FCM may take seconds. FCM is not asked about devices that a user has: apps
        register at every start.
        """
        device = self._device(given, field=field)
        if self._validation is not None and device.provider == "fcm" and not await self._is_registered(device):
            await self._validation.check(device.token, field=field)
        return device

    async def _is_registered(self, device: Device) -> bool:
        async with self._database.begin() as connection:
            return await push_tokens.is_registered(connection, device.token)

    def _device(self, given: Given, *, field: str) -> Device:
        """Raises a 422 about `field` for an endpoint that is not on a known push service."""
        device = device_of(given)
        if device.provider != "web_push":
            return device
        if not self._services.has(device.token):
            raise field_error(f"{field}.endpoint", "must be an https address of a known push service")
        return replace(device, token=one_spelling(device.token))

    async def of_user(self, user_id: UUID) -> Sequence[StoredPushToken]:
        async with self._database.begin() as connection:
            return await push_tokens.of_user(connection, user_id)

    async def removed_from(self, user_id: UUID) -> Sequence[StoredRemoval]:
        """The devices that the user had within the last month, the last removal first."""
        async with self._database.begin() as connection:
            return await removed_devices.of_user(connection, user_id)

    async def add(self, user_id: UUID, given: PushTokenAddition, actor: Actor) -> Registration:
        """Raises UserNotFound, TooManyPushTokens, and what `device` raises."""
        device = await self.device(given.push_token, field=given.name)
        async with self._database.begin() as connection:
            await _lock(connection, user_id)
            registration = await _put(connection, user_id, device)
            await self._record(connection, actor, registration)
        await self._lookups.changed(user_id)
        await self.after_registration(registration, actor)
        return registration

    async def replace(self, user_id: UUID, given: PushTokenReplacement, actor: Actor) -> None:
        """See `replace_within`. Raises UserNotFound, TooManyPushTokens, and what `device` raises."""
        device = None if given.push_token is None else await self.device(given.push_token, field=given.name)
        async with self._database.begin() as connection:
            before = await locked(connection, user_id)
            registration = await self.replace_within(connection, user_id, device, actor)
            change = changed(user_fields(before), user_fields(await stored(connection, user_id)))
            await self._audit.record(connection, actor, "user.changed", user_target(user_id), change)
        await self._lookups.changed(user_id)
        await self.after_registration(registration, actor)

    async def replace_within(
        self, connection: AsyncConnection, user_id: UUID, device: Device | None, actor: Actor
    ) -> Registration | None:
        """An FCM token replaces all of the user's FCM tokens. None removes them. Any other device is added.

        Pass the result to `after_registration` after the commit. The caller audits the change of the user's FCM token.
        """
        await _lock(connection, user_id)
        if device is None:
            await push_tokens.lock_devices(connection, user_id)
            await push_tokens.remove_fcm(connection, user_id, but=None, because=_by(actor, user_id))
            return None
        registration = await _put(connection, user_id, device, alone=device.provider == "fcm")
        await self._record(connection, actor, registration)
        return registration

    async def after_registration(self, registration: Registration | None, actor: Actor) -> None:
        """Invalidates cached copies of the earlier owner, and logs who moved the device. Call it after the commit."""
        if registration is None or (earlier := registration.moved_from) is None:
            return
        await self._lookups.changed(earlier)
        log.info(
            "push_token.moved",
            actor=actor.name,
            push_token_id=str(registration.token.id),
            provider=registration.token.provider,
            user_id=str(registration.user_id),
            earlier_user_id=str(earlier),
        )

    async def remove(self, user_id: UUID, token: str, actor: Actor) -> None:
        """Raises PushTokenNotFound."""
        async with self._database.begin() as connection:
            removed = await push_tokens.remove_token(connection, user_id, one_spelling(token), _by(actor, user_id))
            await self._record_removal(connection, actor, user_id, removed)
        await self._lookups.changed(user_id)

    async def remove_dead(self, user_id: UUID, dead: DeadPushToken, actor: Actor) -> None:
        """Raises PushTokenNotFound, also if the device was registered again after the provider was called."""
        age = None if dead.age_seconds is None else timedelta(seconds=dead.age_seconds)
        async with self._database.begin() as connection:
            removed = await push_tokens.remove_dead(connection, user_id, one_spelling(dead.token), age=age)
            await self._record_removal(connection, actor, user_id, removed)
        await self._lookups.changed(user_id)

    async def remove_by_id(self, user_id: UUID, token_id: UUID, actor: Actor) -> None:
        """Raises PushTokenNotFound."""
        async with self._database.begin() as connection:
            removed = await push_tokens.remove_by_id(connection, user_id, token_id, _by(actor, user_id))
            await self._record_removal(connection, actor, user_id, removed)
        await self._lookups.changed(user_id)

    async def forget_removed(self) -> int:
        """Deletes old entries from the lists of removed devices. Returns 0: `repeat` then waits the full interval."""
        async with self._database.begin() as connection:
            deleted = await removed_devices.remove_old(connection)
        if deleted:
            log.info("removed_devices.deleted", devices=deleted)
        return 0

    async def _record(self, connection: AsyncConnection, actor: Actor, registration: Registration) -> None:
        """Records a new device, and its removal from the earlier owner."""
        if not registration.is_new:
            return
        device = {"push_token": Personal(registration.token.token)}
        owner, earlier = user_target(registration.user_id), registration.moved_from
        await self._audit.record(connection, actor, "push_token.added", owner, Change({}, device))
        if earlier is not None:
            await self._audit.record(connection, actor, "push_token.removed", user_target(earlier), Change(device, {}))

    async def _record_removal(
        self, connection: AsyncConnection, actor: Actor, user_id: UUID, removed: StoredPushToken | None
    ) -> None:
        """Raises PushTokenNotFound if nothing was removed."""
        if removed is None:
            raise PushTokenNotFound
        change = Change({"push_token": Personal(removed.token)}, {})
        await self._audit.record(connection, actor, "push_token.removed", user_target(user_id), change)


def _by(actor: Actor, user_id: UUID) -> RemovalReason:
    """Who removes a device of the user on request."""
    if actor.name == f"user:{user_id}":
        return "by_user"
    return "by_application" if actor.name.startswith("key:") else "by_admin"


async def _lock(connection: AsyncConnection, user_id: UUID) -> None:
    if not await users.lock(connection, user_id):
        raise UserNotFound


async def _put(connection: AsyncConnection, user_id: UUID, device: Device, *, alone: bool = False) -> Registration:
    """Gives the device to a user that is locked. With `alone` it replaces the user's other FCM tokens."""
    owner, stored = await _registered(connection, user_id, device)
    if alone:
        await push_tokens.remove_fcm(connection, user_id, but=device.token, because="replaced")
    if await push_tokens.count(connection, user_id) > MAX_DEVICES:
        raise TooManyPushTokens
    return Registration(user_id, stored, owner)


async def _registered(
    connection: AsyncConnection, user_id: UUID, device: Device
) -> tuple[UUID | None, StoredPushToken]:
    """The device's earlier owner, and the device, which now belongs to the user."""
    while True:
        try:
            # Its rollback on DeviceAddedMeanwhile releases the locks of `lock_devices`.
            async with connection.begin_nested():
                owner = await push_tokens.lock_devices(connection, user_id, device.token)
                if owner is None:
                    return owner, await push_tokens.add(connection, user_id, device)
                if owner == user_id:
                    return owner, await push_tokens.renew(connection, device)
                return owner, await push_tokens.move(connection, user_id, device, owner=owner)
        except push_tokens.DeviceAddedMeanwhile:
            continue
