"""Accepts notifications whose attachments are given by URL: fetches them before the accepting commit.

Fetched files are stored like attached ones, in the commit that accepts the notification.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from api_gateway.errors import AttachmentUnreachable
from api_gateway.repositories.accepting import Receipt
from api_gateway.schemas.email_options import Attachment
from api_gateway.schemas.requests import NotificationRequest
from api_gateway.services.accepting import Acceptor, RequestContext
from chassis.errors import ServiceError, TooManyRequests
from chassis.http.fetching import NotFetched, UrlFetcher
from chassis.process.fair_semaphore import FairSemaphore
from contracts.emails import MAX_ATTACHMENT_BYTES

log = structlog.get_logger()

# Together less than the minute after which proxies give up.
FETCH_SECONDS = 15.0  # for all files of a notification
TURN_SECONDS = 5.0  # of waiting for a turn
BATCH_SECONDS = 10.0  # within which the fetches of a batch have to begin
WAITING = 20  # notifications of one caller
LATER = {"Retry-After": "5"}


class AttachmentFetcher:
    """`urls` None: the operator allows no URLs. At most `at_once` notifications have files in memory, at most half of them
    for one caller.
    """

    def __init__(self, urls: UrlFetcher | None, *, at_once: int) -> None:
        self._urls = urls
        self.each = max(1, at_once // 2)
        self._turns = FairSemaphore(at_once, waiting=WAITING, each=self.each)

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """The right to fetch files, and to hold them. Raises TooManyRequests if it does not come soon."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await stack.enter_async_context(self._turns.turn(caller))
            except TimeoutError:
                raise TooManyRequests("Too many attachments are being fetched; send it later", headers=LATER) from None
            yield

    async def complete(self, request: NotificationRequest) -> NotificationRequest:
        """The request with the content of every URL. Raises AttachmentUnreachable, which names the first that failed."""
        if request.email is None:
            return request
        deadline = asyncio.get_running_loop().time() + FETCH_SECONDS
        left = MAX_ATTACHMENT_BYTES - sum(len(one.content or b"") for one in request.email.attachments)
        whole: list[Attachment] = []
        for index, one in enumerate(request.email.attachments):
            if one.url is None:
                whole.append(one)
                continue
            try:
                async with asyncio.timeout_at(deadline):
                    content = await self._content(one.url, one.content_type, left)
            except (NotFetched, TimeoutError) as failed:
                reason = failed.reason if isinstance(failed, NotFetched) else "was not answered in time"
                log.info("attachment.not_fetched", reason=reason)
                raise AttachmentUnreachable.at(index, reason) from None
            left -= len(content)
            whole.append(one.model_copy(update={"content": content}))
        return request.model_copy(update={"email": request.email.model_copy(update={"attachments": whole})})

    async def _content(self, url: str, content_type: str, max_bytes: int) -> bytes:
        if self._urls is None:
            raise NotFetched("is not fetched here; send the content")
        fetched = await self._urls.fetch(url, max_bytes=max_bytes)
        if _is_page(fetched.media_type) and not _is_page(content_type.lower()):
            raise NotFetched("was answered with a web page")  # such as the form to log in
        return fetched.content


class FetchingAcceptor:
    """An `Acceptor` that also takes attachments by URL."""

    def __init__(self, acceptor: Acceptor, fetcher: AttachmentFetcher) -> None:
        self._acceptor = acceptor
        self._fetcher = fetcher

    async def accept(self, request: NotificationRequest, context: RequestContext) -> Receipt:
        """See `Acceptor.accept`. Repeats are answered, and requests that cannot be sent are refused, without fetching.

        Raises AttachmentUnreachable, TooManyRequests too.
        """
        if not request.names_urls:
            return await self._acceptor.accept(request, context)
        match await self._acceptor.known_outcome(request, context):
            case ServiceError() as refusal:
                raise refusal
            case Receipt() as earlier:
                return earlier
        async with self._fetcher.turn(context.caller):
            return await self._acceptor.accept(await self._fetcher.complete(request), context)

    async def accept_all(
        self, requests: Sequence[NotificationRequest], context: RequestContext
    ) -> list[Receipt | ServiceError]:
        """See `Acceptor.accept_all`. Requests without URLs are written first, as one group; each request with URLs by itself.

        Requests whose turn does not come in BATCH_SECONDS get TooManyRequests. The same batch again continues with them.
        """
        fetched = [index for index, request in enumerate(requests) if request.names_urls]
        plain = await self._acceptor.accept_all([one for one in requests if not one.names_urls], context)
        if not fetched:
            return plain
        outcomes = dict(zip(fetched, await self._accept_each([requests[one] for one in fetched], context), strict=True))
        rest = iter(plain)
        return [outcomes[index] if index in outcomes else next(rest) for index in range(len(requests))]

    async def _accept_each(
        self, requests: Sequence[NotificationRequest], context: RequestContext
    ) -> list[Receipt | ServiceError]:
        last_start = asyncio.get_running_loop().time() + BATCH_SECONDS
        own_turns = asyncio.Semaphore(self._fetcher.each)

        async def one(request: NotificationRequest) -> Receipt | ServiceError:
            async with own_turns:
                if asyncio.get_running_loop().time() > last_start:
                    return TooManyRequests("Too many attachments to fetch at once; send it again", headers=LATER)
                try:
                    return await self.accept(request, context)
                except ServiceError as refused:
                    return refused

        outcomes = await asyncio.gather(*map(one, requests))
        for outcome in outcomes:
            if isinstance(outcome, ServiceError) and outcome.status >= 500:
                raise outcome  # as without URLs: the batch is to be repeated
        return outcomes


def _is_page(media_type: str) -> bool:
    return media_type.startswith(("text/html", "application/xhtml"))
