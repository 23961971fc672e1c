"""The console before the gateway, and an administrator who has logged in: to open pages, or to leave some open."""

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx2

from bench.children import Children
from bench.ports import quiet_port
from testkit.eventually import wait_until
from testkit.servers.process import listens
from testkit.system import ADMIN

CONSOLE = "console"
NOTIFICATION = re.compile(r"/notifications/[0-9a-f-]{36}")
# As the pages ask again by themselves; the list, which does not, is reloaded as often. Every so many seconds:
RENEWED = {"/overview/figures": 5, "/notifications": 5, "/system/live": 5}
FOLLOWED = 2  # a notification that is under way


@contextmanager
def logged_in(children: Children, gateway_port: int) -> Iterator[httpx2.Client]:
    """A browser with an administrator's session."""
    port = quiet_port()
    settings = {
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "API_GATEWAY_URL": f"http://127.0.0.1:{gateway_port}",
        "LOG_LEVEL": "WARNING",
    }
    children.start(CONSOLE, "console", env=settings)
    wait_until(lambda: listens(port), 30, "the console")
    address = f"http://127.0.0.1:{port}"
    with httpx2.Client(base_url=address, trust_env=False, timeout=30, follow_redirects=True) as browser:
        token = browser.get("/login").text.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]
        page = browser.post("/login", data={"csrf": token, **ADMIN})
        if page.url.path == "/login":
            raise RuntimeError(f"nobody is logged in to the console: {page.status_code}")
        yield browser


class OpenConsole:
    """Four tabs: the overview, the newest notifications, one of these, the system. They renew till `close` or a `failure`."""

    def __init__(self, children: Children, gateway_port: int) -> None:
        self._stack = ExitStack()
        self._browser = self._stack.enter_context(logged_in(children, gateway_port))
        self._closed = threading.Event()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._stack.close()

    def _renew(self) -> None:
        second, notification = 0, ""
        try:
            while not self._closed.wait(1 if second else 0):
                for path, every in RENEWED.items():
                    if second % every == 0:
                        page = self._browser.get(path).raise_for_status().text
                        if path == "/notifications" and not notification and (newest := NOTIFICATION.search(page)):
                            notification = newest[0]
                if notification and second % FOLLOWED == 0 and not self._goes_on(notification):
                    notification = ""
                second += 1
        except Exception as failure:  # noqa: BLE001 - it ends the tabs, and then the case
            self.failure = failure

    def _goes_on(self, notification: str) -> bool:
        """Whether it is still under way. When it has ended, its page loads once more, as in a browser."""
        live = self._browser.get(f"{notification}/live").raise_for_status()
        if live.status_code == httpx2.codes.NO_CONTENT:
            self._browser.get(notification).raise_for_status()
            return False
        return True
