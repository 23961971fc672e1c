"""The cases by name, in the order in which a whole run takes them."""

from collections.abc import Callable, Mapping

from bench.cases.accept_batch import accept_batch
from bench.cases.accept_single import accept_single
from bench.cases.end_to_end import end_to_end_email, end_to_end_push
from bench.cases.growth import growth
from bench.cases.latency import latency_at_300
from bench.cases.memory import memory_and_start
from bench.cases.priority import priority_under_backlog
from bench.cases.scaling import worker_scaling
from bench.cases.slow_smtp import slow_smtp
from bench.results import Result
from bench.run import Run

CASES: Mapping[str, Callable[[Run], Result]] = {
    "accept_single": accept_single,
    "accept_batch": accept_batch,
    "end_to_end_email": end_to_end_email,
    "end_to_end_push": end_to_end_push,
    "latency_at_300": latency_at_300,
    "priority_under_backlog": priority_under_backlog,
    "slow_smtp": slow_smtp,
    "worker_scaling": worker_scaling,
    "growth": growth,
    "memory": memory_and_start,
}
