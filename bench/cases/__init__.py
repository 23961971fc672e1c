"""The cases by name, in the order of a complete run."""

from collections.abc import Callable, Iterable, Mapping

from bench.cases.accept_batch import AcceptBatch
from bench.cases.accept_single import AcceptSingle
from bench.cases.broadcast import broadcast_like
from bench.cases.console_pages import console_pages
from bench.cases.edge import edge
from bench.cases.end_to_end import EndToEnd
from bench.cases.gateway_processes import gateway_processes
from bench.cases.growth import growth
from bench.cases.latency import latency_at_300
from bench.cases.lookup import lookup
from bench.cases.memory import memory_and_start
from bench.cases.priority import priority_under_backlog
from bench.cases.retention import retention
from bench.cases.scaling import worker_scaling
from bench.cases.slow_smtp import slow_smtp
from bench.results import Result
from bench.run import Run
from bench.users import Users

CASES: Mapping[str, Callable[[Run], Result]] = {
    "accept_single": AcceptSingle(Users.COLD, ratio=0.60),
    "accept_single_hot": AcceptSingle(Users.HOT, ratio=0.80),
    "accept_batch": AcceptBatch(Users.COLD, ratio=1.5),
    "accept_batch_hot": AcceptBatch(Users.HOT, ratio=1.8),
    "end_to_end_email": EndToEnd("email", Users.COLD, share=0.22, ratio=1.3, cpu_ms=2.2),
    "end_to_end_email_hot": EndToEnd("email", Users.HOT, share=0.40, ratio=1.0, cpu_ms=1.8),
    "end_to_end_push": EndToEnd("push", Users.COLD, share=0.22, ratio=1.3, cpu_ms=2.2),
    "end_to_end_push_hot": EndToEnd("push", Users.HOT, share=0.16, ratio=1.0, cpu_ms=2.2),
    "lookup": lookup,
    "latency_at_300": latency_at_300,
    "priority_under_backlog": priority_under_backlog,
    "broadcast_like": broadcast_like,
    "slow_smtp": slow_smtp,
    "worker_scaling": worker_scaling,
    "gateway_processes": gateway_processes,
    "growth": growth,
    "retention": retention,
    "memory": memory_and_start,
    "edge": edge,
    "console_pages": console_pages,
}
# Cases that put load on the bare endpoint, or need its rate.
WITH_WRK = frozenset(
    name for name in CASES if name.startswith(("accept_", "end_to_end_", "latency_", "gateway_processes"))
)


def programs(cases: Iterable[str]) -> dict[str, str]:
    """The programs that these cases need besides the servers: program → Debian's package."""
    return {"wrk": "wrk"} if WITH_WRK.intersection(cases) else {}
