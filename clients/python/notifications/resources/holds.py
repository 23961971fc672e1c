"""Notifications that wait until somebody releases or cancels them."""

from notifications.answers.base import Data, PageOf
from notifications.answers.holds import Hold
from notifications.bodies import given
from notifications.calls import Call
from notifications.endpoints import Resource, Transport, endpoint, listing
from notifications.paging import Listing
from notifications.requests.notifications import Channel


class Holds(Resource[Transport]):
    @listing
    def list(self, *, standing: bool | None = None, page_size: int = 100, page: int | None = None) -> Listing[Hold]:
        """Newest first, with the number of notifications that each holds; `list(held_by=)` lists these."""
        return self._listing(("holds",), PageOf(Hold), standing=standing, page_size=page_size, page=page)

    @endpoint
    def get(self, hold_id: str) -> Call[Hold]:
        return self._call("GET", ("holds", hold_id), Data(Hold))

    @endpoint
    def add(
        self,
        reason: str,
        *,
        template_code: str | None = None,
        application_id: str | None = None,
        notification_type: Channel | None = None,
        provider: str | None = None,
    ) -> Call[Hold]:
        """Holds what matches everything that is given, or a provider. The same again returns the hold that stands."""
        body = given(
            reason=reason,
            template_code=template_code,
            application_id=application_id,
            notification_type=notification_type,
            provider=provider,
        )
        return self._call("POST", ("holds",), Data(Hold), body=body, repeatable=True)

    @endpoint
    def release(
        self, hold_id: str, *, template_version: int | None = None, active_version: bool | None = None
    ) -> Call[Hold]:
        """Sends what is held, with the version that each was accepted with, the given one, or the active one."""
        query = {"template_version": template_version, "active_version": active_version}
        return self._call("DELETE", ("holds", hold_id), Data(Hold), query=query)

    @endpoint
    def cancel(self, hold_id: str) -> Call[Hold]:
        """Cancels what is held. A hold of a provider can only be released."""
        return self._call("POST", ("holds", hold_id, "cancel"), Data(Hold))
