"""Users with an account, and contacts: people who only receive, by an application's own ids."""

from collections.abc import Iterable, Sequence
from typing import Literal, Unpack

from notifications.answers.base import Data, Nothing, PageOf
from notifications.answers.people import (
    Device,
    Erasure,
    Export,
    FoundContacts,
    Preferences,
    RemovedDevice,
    Session,
    User,
    WrittenContact,
)
from notifications.bodies import chunks, given
from notifications.calls import Call, Steps
from notifications.endpoints import Resource, Transport, endpoint, listing
from notifications.paging import Listing
from notifications.requests.people import (
    BulkContact,
    ContactFields,
    NewUser,
    PreferencesChange,
    PushToken,
    UserChange,
    UserReplacement,
)

MAX_CONTACTS = 1_000
MAX_FORWARDED_BYTES = 900_000  # the gateway forwards 1 MiB
WrittenContacts = list[WrittenContact]
DeviceList = list[Device]
RemovedDevices = list[RemovedDevice]
SessionList = list[Session]


class Users(Resource[Transport]):
    """Also contacts, by the system's own id."""

    @listing
    def list(
        self,
        *,
        email: str | None = None,
        role: Literal["admin", "user"] | None = None,
        page_size: int = 100,
        page: int | None = None,
    ) -> Listing[User]:
        return self._listing(("users",), PageOf(User), email=email, role=role, page_size=page_size, page=page)

    @endpoint
    def get(self, user_id: str) -> Call[User]:
        return self._call("GET", ("users", user_id), Data(User))

    @endpoint
    def create(self, **user: Unpack[NewUser]) -> Call[User]:
        """Signs somebody up, or, without a password, adds a contact."""
        return self._call("POST", ("users",), Data(User), body=user)

    @endpoint
    def update(self, user_id: str, **change: Unpack[UserChange]) -> Call[User]:
        """Changes what is given."""
        return self._call("PATCH", ("users", user_id), Data(User), body=change)

    @endpoint
    def replace(self, user_id: str, **user: Unpack[UserReplacement]) -> Call[User]:
        return self._call("PUT", ("users", user_id), Data(User), body=user)

    @endpoint
    def delete(self, user_id: str) -> Call[Erasure]:
        """Deletes and erases, everywhere and for good. The receipt tells when it is complete: `erasure(id)`."""
        return self._call("DELETE", ("users", user_id), Data(Erasure))

    @endpoint
    def erasure(self, erasure_id: str) -> Call[Erasure]:
        return self._call("GET", ("erasures", erasure_id), Data(Erasure))

    @endpoint
    def export(self, user_id: str) -> Steps[Export]:
        """Everything that is stored about a person, with all notifications."""
        whole = yield from self._export(user_id, None)
        notifications, cursor = [*whole.notifications], whole.next_cursor
        while cursor is not None:
            part = yield from self._export(user_id, cursor)
            notifications += part.notifications
            cursor = part.next_cursor
        return whole.model_copy(update={"notifications": notifications, "next_cursor": None})

    def _export(self, user_id: str, cursor: str | None) -> Call[Export]:
        return self._call("GET", ("users", user_id, "export"), Data(Export), query={"cursor": cursor})

    @endpoint
    def disable(self, user_id: str) -> Call[User]:
        """Ends the sessions and refuses logins. Notifications still arrive."""
        return self._call("POST", ("users", user_id, "disable"), Data(User))

    @endpoint
    def enable(self, user_id: str) -> Call[User]:
        return self._call("POST", ("users", user_id, "enable"), Data(User))

    @endpoint
    def preferences(self, user_id: str) -> Call[Preferences]:
        return self._call("GET", ("users", user_id, "preferences"), Data(Preferences))

    @endpoint
    def update_preferences(self, user_id: str, **change: Unpack[PreferencesChange]) -> Call[Preferences]:
        """Changes what is given."""
        return self._call("PATCH", ("users", user_id, "preferences"), Data(Preferences), body=change)

    @endpoint
    def set_preferences(
        self, user_id: str, *, email: bool, push: bool, unsubscribed: Sequence[str] | None = None
    ) -> Call[Preferences]:
        """`unsubscribed` stays as it is unless it is given."""
        body = given(email=email, push=push, unsubscribed=unsubscribed)
        return self._call("PUT", ("users", user_id, "preferences"), Data(Preferences), body=body)

    @endpoint
    def devices(self, user_id: str) -> Call[DeviceList]:
        return self._call("GET", ("users", user_id, "push-tokens"), Data(DeviceList))

    @endpoint
    def removed_devices(self, user_id: str) -> Call[RemovedDevices]:
        """Devices of the last 30 days that are gone, and why."""
        return self._call("GET", ("users", user_id, "removed-push-tokens"), Data(RemovedDevices))

    @endpoint
    def add_device(self, user_id: str, push_token: PushToken) -> Call[Device]:
        """Adding a device again renews it."""
        body = {"push_token": push_token}
        return self._call("POST", ("users", user_id, "push-tokens"), Data(Device), body=body, repeatable=True)

    @endpoint
    def replace_devices(self, user_id: str, push_token: PushToken | None) -> Call[DeviceList]:
        """This FCM token in place of all others; None removes them."""
        body = {"push_token": push_token}
        return self._call("PUT", ("users", user_id, "push-token"), Data(DeviceList), body=body)

    @endpoint
    def remove_device(self, user_id: str, device_id: str) -> Call[None]:
        return self._call("DELETE", ("users", user_id, "push-tokens", device_id), Nothing())

    @endpoint
    def sessions(self, user_id: str) -> Call[SessionList]:
        return self._call("GET", ("users", user_id, "sessions"), Data(SessionList))

    @endpoint
    def end_session(self, user_id: str, session_id: str) -> Call[None]:
        return self._call("DELETE", ("users", user_id, "sessions", session_id), Nothing())

    @endpoint
    def end_sessions(self, user_id: str) -> Call[None]:
        return self._call("DELETE", ("users", user_id, "sessions"), Nothing())


class Contacts(Resource[Transport]):
    """By `external_id`: the id that the application has for a person. `users` does the rest, by the contact's `id`."""

    @endpoint
    def get(self, external_id: str) -> Call[User]:
        return self._call("GET", ("users", "external", external_id), Data(User))

    @endpoint
    def find(self, external_ids: Iterable[str]) -> Steps[FoundContacts]:
        """Any number of contacts, 1,000 in a call, each once."""
        contacts: list[User] = []
        not_found: list[str] = []
        for chunk in chunks([*dict.fromkeys(external_ids)], MAX_CONTACTS, MAX_FORWARDED_BYTES):
            body = {"external_ids": chunk}
            found = yield from self._call("POST", ("users", "find"), Data(FoundContacts), body=body, repeatable=True)
            contacts += found.contacts
            not_found += found.not_found
        return FoundContacts(contacts=contacts, not_found=not_found)

    @endpoint
    def put(self, external_id: str, **contact: Unpack[ContactFields]) -> Call[User]:
        """Adds or changes a contact. What is left out stays as it is."""
        return self._call("PUT", ("users", "external", external_id), Data(User), body=contact)

    @endpoint
    def put_all(self, contacts: Iterable[BulkContact]) -> Steps[WrittenContacts]:
        """Adds or changes any number of contacts, 1,000 in a call.

        If a call fails, those before it are written; writing all of them again is safe.
        """
        written: WrittenContacts = []
        for chunk in chunks([*contacts], MAX_CONTACTS, MAX_FORWARDED_BYTES):
            body = {"contacts": chunk}
            written += yield from self._call(
                "POST", ("users", "bulk"), Data(WrittenContacts), body=body, repeatable=True
            )
        return written

    @endpoint
    def delete(self, external_id: str) -> Steps[Erasure]:
        """Deletes and erases, everywhere and for good."""
        contact = yield from self._call("GET", ("users", "external", external_id), Data(User))
        return (yield from self._call("DELETE", ("users", contact.id), Data(Erasure)))
