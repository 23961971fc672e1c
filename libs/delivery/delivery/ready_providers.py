"""The providers that are ready for the calls of one notification, each with a permit and an open session."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from chassis.process.breaker import NotCallableNow
from delivery.channel import Address, Content, DeliveryChannel, NotReady, Session, Target
from delivery.ledger import Claimed
from delivery.metrics import DeliveryMetrics
from delivery.outcomes import ProviderDown, Unknown
from delivery.providers import ProviderPermit, Providers, down_because


@dataclass(frozen=True, slots=True)
class ReadyProvider(Generic[Address, Content]):
    """A provider that may be called now."""

    permit: ProviderPermit
    session: Session[Address, Content]

    @property
    def provider(self) -> str:
        return self.permit.provider.name

    def close(self) -> None:
        self.session.close()
        self.permit.give_back()


class ReadyProviders(Generic[Address, Content]):
    """The ready providers of one notification: at most one for each set of providers that can take the same targets."""

    __slots__ = ("_channel", "_metrics", "_opened", "_providers", "_ready")

    def __init__(
        self, channel: DeliveryChannel[Address, Content], providers: Providers, metrics: DeliveryMetrics
    ) -> None:
        self._channel = channel
        self._providers = providers
        self._metrics = metrics
        self._ready: dict[frozenset[str], ReadyProvider[Address, Content]] = {}
        self._opened: list[ReadyProvider[Address, Content]] = []

    async def open(self, permits: Mapping[frozenset[str], ProviderPermit]) -> ProviderDown | None:
        """Opens a session for each permit. Returns the last outcome if none can be opened."""
        failure: ProviderDown | None = None
        for names, permit in permits.items():
            ready = await self._open(names, permit)
            if isinstance(ready, ReadyProvider):
                self._ready[names] = ready
            else:
                failure = ready
        return None if self._ready else failure

    def provider_for(self, target: Target[Address]) -> str | None:
        """The provider that is ready to be called for the target."""
        ready = self._ready.get(self._channel.providers_for(target)) if self._ready else None
        return None if ready is None else ready.provider

    async def get(
        self, claimed: Claimed, target: Target[Address]
    ) -> ReadyProvider[Address, Content] | ProviderDown | Unknown:
        """After an ambiguous attempt only the provider of that attempt may be called, because it may have the message."""
        names = self._channel.providers_for(target)
        ready = self._ready.get(names)
        first = claimed.provider if claimed.ambiguous else None
        if first is not None and (ready is None or ready.provider != first):
            if first not in self._providers.names:
                return Unknown("provider_removed", first)
            names, ready = frozenset((first,)), None
        if ready is not None:
            return ready
        try:
            return await self._open(names, await self._providers.take(names))
        except NotCallableNow as error:
            return down_because(error)

    def others_work(self, ready: ReadyProvider[Address, Content], target: Target[Address]) -> bool:
        """Whether another provider may take the target's message now."""
        others = self._channel.providers_for(target) - {ready.provider}
        return bool(others) and not self._providers.all_blocked(others)

    def close(self) -> None:
        """Returns the permits and unused connections."""
        while self._opened:
            self._opened.pop().close()

    async def _open(
        self, names: frozenset[str], permit: ProviderPermit
    ) -> ReadyProvider[Address, Content] | ProviderDown:
        """A session with the permit's provider, or with another provider of `names` if that one is unreachable."""
        tried: set[str] = set()
        while True:
            try:
                session = await self._channel.open_session(permit.provider.name)
            except NotReady as error:
                self._metrics.observe_answer(permit.provider.name, error.outcome)
                permit.report(error.outcome)
                permit.give_back()
                tried.add(permit.provider.name)
                try:
                    permit = await self._providers.take(names - tried)
                except NotCallableNow:
                    return error.outcome
            except BaseException:
                permit.give_back()
                raise
            else:
                ready = ReadyProvider(permit, session)
                self._opened.append(ready)
                return ready
