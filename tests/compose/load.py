"""Load while things are broken."""

import threading

from testkit.eventually import pause
from tests.compose.api import Api


class Load(threading.Thread):
    """Posts a batch of 20 five times a second, each until it is answered, as long as it is asked to."""

    def __init__(self, api: Api, user: str, template: str, name: str) -> None:
        super().__init__(daemon=True)
        self._api, self._user, self._template, self._name = api, user, template, name
        self._ended = threading.Event()
        self._accepted = 0

    def run(self) -> None:
        batch = 0
        while not self._ended.is_set():
            batch += 1
            self._accepted += self._api.send(
                self._user, self._template, [f"{self._name}-{batch}-{i}" for i in range(20)]
            )
            pause(0.2)

    def end(self) -> int:
        """How many notifications were accepted."""
        self._ended.set()
        self.join()
        return self._accepted
