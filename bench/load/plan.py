"""The work of a generator, and its report. Both cross a process boundary as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Plan:
    """`count` notifications in requests of `size`. Without a `rate`: over `connections`, each of which waits for its
    response. With one: one request every 1/`rate` seconds, whatever the responses are. `prefix` makes the request ids
    unique. `users` and `priorities` are used in turns.
    """

    port: int
    key: str
    users: list[str]
    prefix: str
    count: int
    channel: str = "email"
    priorities: Sequence[int] = (5,)
    size: int = 1
    connections: int = 64
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Times are of the monotonic clock. `accepted` are (notification id, when it was due, when it was answered). `refused`
    counts responses other than 202.
    """

    started: float
    ended: float
    refused: int
    first_refusal: str
    accepted: list[tuple[str, float, float]]
    cpu_seconds: float = 0.0

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self:
        given = json.loads(path.read_text())
        accepted = [(str(key), float(due), float(answered)) for key, due, answered in given.pop("accepted")]
        return cls(accepted=accepted, **given)

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    @property
    def rate(self) -> float:
        return len(self.accepted) / self.seconds

    @property
    def ids(self) -> list[str]:
        return [key for key, _, _ in self.accepted]

    @property
    def latencies(self) -> list[float]:
        return [answered - due for _, due, answered in self.accepted]
