"""Applications and their API keys."""

from typing import Unpack

from notifications.answers.access import ApiKey, Application, NewApiKey
from notifications.answers.base import Data, Nothing, PageOf
from notifications.bodies import given
from notifications.calls import Call
from notifications.endpoints import Resource, Transport, endpoint, listing
from notifications.paging import Listing
from notifications.requests.access import ApiKeyRequest, ApplicationChange, NewApplication


class Applications(Resource[Transport]):
    """The programs that send. For administrators."""

    @listing
    def list(self, *, page_size: int = 100, page: int | None = None) -> Listing[Application]:
        return self._listing(("applications",), PageOf(Application), page_size=page_size, page=page)

    @endpoint
    def get(self, application_id: str) -> Call[Application]:
        return self._call("GET", ("applications", application_id), Data(Application))

    @endpoint
    def create(self, **application: Unpack[NewApplication]) -> Call[Application]:
        return self._call("POST", ("applications",), Data(Application), body=application)

    @endpoint
    def update(self, application_id: str, **change: Unpack[ApplicationChange]) -> Call[Application]:
        """Changes what is given; None removes a limit."""
        return self._call("PATCH", ("applications", application_id), Data(Application), body=change)

    @endpoint
    def delete(self, application_id: str) -> Call[None]:
        """Its keys are refused from now on."""
        return self._call("DELETE", ("applications", application_id), Nothing())


class ApiKeys(Resource[Transport]):
    """For administrators."""

    @listing
    def list(
        self, *, application_id: str | None = None, page_size: int = 100, page: int | None = None
    ) -> Listing[ApiKey]:
        return self._listing(
            ("api-keys",), PageOf(ApiKey), application_id=application_id, page_size=page_size, page=page
        )

    @endpoint
    def create(self, **key: Unpack[ApiKeyRequest]) -> Call[NewApiKey]:
        """The answer has the key, this once."""
        return self._call("POST", ("api-keys",), Data(NewApiKey), body=key)

    @endpoint
    def rotate(self, key_id: str, *, overlap_seconds: int | None = None) -> Call[NewApiKey]:
        """A new key of the same application; the old one is valid for `overlap_seconds` more."""
        body = given(overlap_seconds=overlap_seconds)
        return self._call("POST", ("api-keys", key_id, "rotate"), Data(NewApiKey), body=body)

    @endpoint
    def revoke(self, key_id: str) -> Call[None]:
        return self._call("DELETE", ("api-keys", key_id), Nothing())
