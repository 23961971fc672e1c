"""What may go wrong in a randomised run. Each fault begins, lasts, and is mended."""

import random
import signal
from collections.abc import Callable

from testkit.eventually import pause
from tests.faults.lab import Lab

GATEWAYS = ("api-gateway", "api-gateway-2")
WORKERS = ("email-service", "email-service-2", "push-service")


class Faults:
    """`one` makes a random fault and mends it; the dice's seed decides which, and how long it lasts."""

    def __init__(self, lab: Lab, dice: random.Random) -> None:
        self._lab, self._dice = lab, dice
        self._kinds: tuple[Callable[[], str], ...] = (
            self._gateway_killed,
            self._worker_killed,
            self._worker_stopped,
            self._worker_frozen,
            self._lookup_killed,
            self._rabbitmq_killed,
            self._rabbitmq_frozen,
            self._redis_stopped,
            self._postgres_killed,
            self._provider_down,
            self._provider_stalls,
        )

    def one(self) -> str:
        return self._dice.choice(self._kinds)()

    def _lasts(self, longest: float = 6) -> float:
        seconds = self._dice.uniform(0.5, longest)
        pause(seconds)
        return seconds

    def _process(self, names: tuple[str, ...], how: signal.Signals, what: str) -> str:
        name = self._dice.choice(names)
        self._lab.system.stop_service(name, how=how)
        seconds = self._lasts()
        self._lab.system.start_service(name.removesuffix("-2"), name=name)
        return f"{name} {what}, away for {seconds:.1f} s"

    def _gateway_killed(self) -> str:
        return self._process(GATEWAYS, signal.SIGKILL, "killed")

    def _worker_killed(self) -> str:
        return self._process(WORKERS, signal.SIGKILL, "killed")

    def _worker_stopped(self) -> str:
        return self._process(WORKERS, signal.SIGTERM, "stopped")

    def _lookup_killed(self) -> str:
        """A service that the gateway and the workers look users or templates up in."""
        return self._process(("user-service", "template-service"), signal.SIGKILL, "killed")

    def _worker_frozen(self) -> str:
        """Often longer than a dead worker's silence: then what it had is taken over, and it wakes up."""
        name = self._dice.choice(WORKERS)
        self._lab.freeze(name)
        seconds = self._lasts(longest=8)
        self._lab.thaw_all()
        return f"{name} frozen for {seconds:.1f} s"

    def _rabbitmq_killed(self) -> str:
        self._lab.rabbit.kill()
        seconds = self._lasts()
        self._lab.rabbit.start()
        return f"RabbitMQ killed, started again after {seconds:.1f} s"

    def _rabbitmq_frozen(self) -> str:
        self._lab.freeze_rabbit()
        seconds = self._lasts()
        self._lab.thaw_rabbit()
        return f"RabbitMQ frozen for {seconds:.1f} s"

    def _redis_stopped(self) -> str:
        self._lab.redis.stop()
        seconds = self._lasts()
        self._lab.redis.start()
        return f"Redis stopped for {seconds:.1f} s"

    def _postgres_killed(self) -> str:
        self._lab.postgres.kill()
        seconds = self._lasts(longest=3)
        self._lab.postgres.start()
        return f"PostgreSQL killed, started again after {seconds:.1f} s"

    def _provider_down(self) -> str:
        self._lab.provider(smtp="down", fcm="down")
        seconds = self._lasts()
        self._lab.provider()
        return f"both providers down for {seconds:.1f} s"

    def _provider_stalls(self) -> str:
        self._lab.provider(smtp="stall", fcm="stall")
        seconds = self._lasts()
        self._lab.provider()
        return f"both providers kept their answers back for {seconds:.1f} s"
