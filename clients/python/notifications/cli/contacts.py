"""User ids of contacts, by the application's own ids. A file has thousands of them, so several are asked for at once."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from notifications import NotFound, Notifications

AT_ONCE = 8


class ContactIds:
    def __init__(self, client: Notifications) -> None:
        self._client = client
        self._known: dict[str, str | None] = {}

    def look_up(self, external_ids: Iterable[str]) -> None:
        """Asks for those that are not known yet. After an error those that were answered are known."""
        unknown = [one for one in dict.fromkeys(external_ids) if one not in self._known]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for external_id, user_id in zip(unknown, pool.map(self._ask, unknown), strict=True):
                self._known[external_id] = user_id

    def __getitem__(self, external_id: str) -> str | None:
        """Of one that was looked up; None: there is no such contact."""
        return self._known[external_id]

    def _ask(self, external_id: str) -> str | None:
        try:
            return str(self._client.contacts.get(external_id).id)
        except NotFound:
            return None
