"""1, 2 and 4 e-mail workers with a provider so slow that each worker waits for it and none for the CPU."""

from dataclasses import replace

from bench import checks
from bench.cases.slow_smtp import steady_rate
from bench.load.run import generate
from bench.results import Result, at_least
from bench.run import Run

WORKERS = (1, 2, 4)
LEAST = {2: 1.8, 4: 3.4}
ONE_WORKER = 60.0  # deliveries a second; four workers stay far below what two cores can do
TRIAL_DELAY = 0.200
TRIAL = 400
MAX_DELAY = 10.0
SERVICE = "email-service"


def worker_scaling(run: Run) -> Result:
    """The delay comes from a trial: if only waiting limits the rate, the rate is inversely proportional to the delay."""
    trial, balance = _rate(run, 1, TRIAL_DELAY, TRIAL)
    delay = min(MAX_DELAY, TRIAL_DELAY * trial / ONE_WORKER)
    rates: dict[int, float] = {}
    for workers in WORKERS:
        count = int(workers * ONE_WORKER * run.options.lasting(20, 8))
        rates[workers], counted = _rate(run, workers, delay, count)
        balance += counted
    gains = {workers: rates[workers] / rates[1] for workers in LEAST}
    return Result(
        gains[4],
        "times one worker",
        balance=balance,
        target=at_least(gains[2], LEAST[2], "two") & at_least(gains[4], LEAST[4], "four"),
        more={
            "delay_ms_before_each_reply": round(delay * 1000),
            "deliveries_per_s": {str(workers): round(rate, 1) for workers, rate in rates.items()},
            "gain": {str(workers): round(gain, 2) for workers, gain in gains.items()},
        },
    )


def _rate(run: Run, workers: int, delay: float, count: int) -> tuple[float, checks.Balance]:
    lab = run.lab
    lab.fresh(without=["push-service"])
    extra = [f"{SERVICE}-{number}" for number in range(2, workers + 1)]
    for name in extra:
        lab.system.start_service(SERVICE, name=name)
    for name in extra:
        lab.system.wait_ready(name)
    lab.providers.smtp.delay(delay)
    report = generate(lab.folder, replace(run.plan(count), size=500, connections=1))
    checks.until_sent(lab, count)
    return steady_rate([when for _, when in lab.providers.smtp.arrivals()]), checks.sent_once(lab, report.ids)
