"""The webhooks of the simulated e-mail provider: what became of a mail after it was taken."""

import asyncio
from urllib.parse import urlsplit

import httpx2
import structlog

from devstack.simulators.mail_accounts import MailAccounts, Posted
from devstack.simulators.webhook_forms import Event, Form, Taken, posted

log = structlog.get_logger()

TRIES, PAUSE_SECONDS = 20, 0.5  # while the gateway is down; providers go on for hours


class Webhooks:
    """`url` is that for Postmark, with the user name and the password in it. Empty: no webhook is called. Other forms go to
    its neighbours, and are signed with `accounts`.
    """

    def __init__(self, url: str = "", accounts: MailAccounts = MailAccounts()) -> None:
        self._url = url
        self._accounts = accounts
        self._http: httpx2.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send_later(self, events: tuple[Event, ...], mail: Taken) -> None:
        task = asyncio.create_task(self.send(events, mail))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send(self, events: tuple[Event, ...], mail: Taken) -> None:
        """One after the other; returns when all were taken, or given up."""
        for event in events if self._url else ():
            form, request = posted(event, mail, self._accounts)
            await self._post(self._address(form), request)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    def _address(self, form: Form) -> str:
        if form == "postmark":
            return self._url
        parts = urlsplit(self._url)
        server, folder = parts.netloc.rpartition("@")[2], parts.path.rpartition("/")[0]
        return parts._replace(netloc=server, path=f"{folder}/{form}").geturl()

    async def _post(self, url: str, request: Posted) -> None:
        self._http = self._http or httpx2.AsyncClient(timeout=5, trust_env=False)
        headers = {"Content-Type": "application/json", **request.headers}
        for _ in range(TRIES):
            try:
                answer = await self._http.post(url, content=request.body, headers=headers)
                if answer.is_success:
                    return
                problem = str(answer.status_code)
            except httpx2.HTTPError as error:
                problem = type(error).__name__
            await asyncio.sleep(PAUSE_SECONDS)
        log.warning("simulator.webhook_given_up", problem=problem)
