"""Clients that keep posting, whatever happens, and remember what they were promised."""

import itertools
import random
import threading
import time
from collections.abc import Sequence
from uuid import uuid4

import httpx2

from testkit.eventually import pause

BATCH = 20


class Clients:
    """`threads` clients that together post `rate` notifications a second, in batches of 20, to `users` in turn.

    A batch that was not answered, or answered with 5xx, is posted again, to any gateway, under the same request ids: as a
    careful client does.
    """

    def __init__(
        self, gateways: Sequence[str], token: str, users: Sequence[str], *, rate: float, threads: int = 8
    ) -> None:
        self._gateways, self._users = gateways, itertools.cycle(users)
        self._headers = {"Authorization": token}
        self._pause = BATCH * threads / rate
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._seeds = itertools.count()
        self.accepted: list[str] = []
        self.refused: list[str] = []
        self.posted_again = 0
        self._threads = [threading.Thread(target=self._post_on, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Each client finishes the batch it has begun."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _post_on(self) -> None:
        dice = random.Random(next(self._seeds))
        due = time.monotonic()
        with httpx2.Client(headers=self._headers, timeout=10, trust_env=False) as http:
            while not self._ended.is_set():
                self._post(http, [self._item(dice) for _ in range(BATCH)], dice)
                due = max(due + self._pause, time.monotonic() - 5)  # what was missed is made up for, up to five seconds
                self._ended.wait(max(0.0, due - time.monotonic()))

    def _item(self, dice: random.Random) -> dict[str, object]:
        return {
            "notification_type": dice.choice(("email", "email", "push")),
            "user_id": next(self._users),
            "template_code": "welcome",
            "request_id": str(uuid4()),
            "priority": dice.randint(1, 10),
            "variables": {"name": "Ada", "link": "https://example.com/x"},
        }

    def _post(self, http: httpx2.Client, items: Sequence[dict[str, object]], dice: random.Random) -> None:
        while True:
            try:
                answer = http.post(
                    f"{dice.choice(self._gateways)}/api/v1/notifications/batch", json={"notifications": items}
                )
            except httpx2.HTTPError:
                answer = None
            if answer is not None and answer.status_code < 500:
                break
            with self._lock:
                self.posted_again += 1
            pause(dice.uniform(0.1, 0.5))
        results = answer.json()["data"]["results"]
        with self._lock:
            self.accepted += [result["data"]["notification_id"] for result in results if result["success"]]
            self.refused += [result["error"] for result in results if not result["success"]]
