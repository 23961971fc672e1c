"""The devices of a user: a bounded number, and only such endpoints as a worker may send to."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.database import Database
from user_service.errors import PushTokenNotFound, TooManyPushTokens, UserNotFound
from user_service.repositories import push_tokens, users
from user_service.repositories.push_tokens import Device, StoredPushToken
from user_service.schemas.push_tokens import WebPushSubscription, device_of
from user_service.services.contacts import Contacts
from user_service.services.web_push import check_endpoint

MOST = 20


class PushTokens:
    def __init__(self, database: Database, contacts: Contacts, *, web_push_hosts: Sequence[str]) -> None:
        self._database = database
        self._contacts = contacts
        self._hosts = web_push_hosts

    def device(self, given: str | WebPushSubscription) -> Device:
        """Raises a 422 for an endpoint that is not a known push service's."""
        device = device_of(given)
        if device.provider == "web_push":
            check_endpoint(device.token, self._hosts)
        return device

    async def of_user(self, user_id: UUID) -> Sequence[StoredPushToken]:
        """Raises UserNotFound."""
        async with self._database.begin() as connection:
            if await users.find(connection, user_id) is None:
                raise UserNotFound
            return await push_tokens.of_user(connection, user_id)

    async def add(self, user_id: UUID, given: str | WebPushSubscription) -> tuple[StoredPushToken, bool]:
        """The stored token, and whether it is new. Raises UserNotFound, TooManyPushTokens."""
        device = self.device(given)
        async with self._database.begin() as connection:
            if not await users.lock(connection, user_id):
                raise UserNotFound
            is_new = await push_tokens.find(connection, user_id, device.token) is None
            stored = await _put(connection, user_id, device)
        await self._contacts.changed(user_id)
        return stored, is_new

    async def replace(self, user_id: UUID, given: str | WebPushSubscription | None) -> None:
        """See `replace_within`. Raises UserNotFound, TooManyPushTokens."""
        device = None if given is None else self.device(given)
        async with self._database.begin() as connection:
            await self.replace_within(connection, user_id, device)
        await self._contacts.changed(user_id)

    async def replace_within(self, connection: AsyncConnection, user_id: UUID, device: Device | None) -> None:
        """An FCM token takes the place of all others, None removes them; a Web Push subscription is added."""
        if not await users.lock(connection, user_id):
            raise UserNotFound
        if device is None or device.provider == "fcm":
            await push_tokens.remove_fcm(connection, user_id, but=device.token if device else None)
        if device is not None:
            await _put(connection, user_id, device)

    async def remove(self, user_id: UUID, token: str) -> None:
        """Raises PushTokenNotFound."""
        async with self._database.begin() as connection:
            if not await push_tokens.remove_token(connection, user_id, token):
                raise PushTokenNotFound
        await self._contacts.changed(user_id)

    async def remove_by_id(self, user_id: UUID, token_id: UUID) -> None:
        """Raises PushTokenNotFound."""
        async with self._database.begin() as connection:
            if not await push_tokens.remove_by_id(connection, user_id, token_id):
                raise PushTokenNotFound
        await self._contacts.changed(user_id)


async def _put(connection: AsyncConnection, user_id: UUID, device: Device) -> StoredPushToken:
    """For a locked user."""
    stored = await push_tokens.put(connection, user_id, uuid7(), device)
    if await push_tokens.count(connection, user_id) > MOST:
        raise TooManyPushTokens
    return stored
