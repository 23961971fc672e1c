"""User ids of contacts, by the application's own ids. A file has thousands of them, so a batch is looked up in one call."""

from collections.abc import Iterable

from notifications import Notifications


class ContactIds:
    def __init__(self, client: Notifications) -> None:
        self._client = client
        self._known: dict[str | None, str | None] = {}

    def look_up(self, external_ids: Iterable[str]) -> None:
        """Asks for those that are not known yet. Raises InvalidRequest if one of them can be no external id."""
        unknown = [one for one in dict.fromkeys(external_ids) if one not in self._known]
        found = self._client.contacts.find(unknown)
        self._known |= {contact.external_id: contact.id for contact in found.contacts}
        self._known |= dict.fromkeys(found.not_found)

    def __getitem__(self, external_id: str) -> str | None:
        """Of one that was looked up; None: there is no such contact."""
        return self._known[external_id]
