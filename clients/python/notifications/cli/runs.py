"""Carries out a plan for a CSV: journal, errors file, progress, and how it ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from notifications import NotificationsError
from notifications.cli import output
from notifications.cli.exits import ExitCode
from notifications.cli.files.csv_file import CsvFile
from notifications.cli.files.errors_file import ErrorsFile
from notifications.cli.files.journal import Journal
from notifications.cli.rows import Execution, Post, Prepare, progress


@dataclass(frozen=True, slots=True)
class Plan:
    """`system` is where the rows go, `options` are what has to be the same when a run goes on. `repeatable`: a run that is
    complete may be repeated as a whole, as an import may; else its rows count as done for ever.
    """

    file: CsvFile
    rows: int
    system: str
    run: str
    options: Mapping[str, Any]
    prepare: Prepare
    post: Post
    repeatable: bool

    @property
    def journal(self) -> Path:
        return self.file.path.with_name(f"{self.file.path.name}.notify-{'import' if self.repeatable else 'journal'}")


def count_rows(file: CsvFile) -> int:
    """Reads the whole file once, so that a file that is not a CSV is refused before the first row is sent."""
    return sum(1 for _ in file.rows())


def carry_out(plan: Plan, *, as_json: bool) -> None:
    """Raises Exit if not every row was accepted."""
    journal = Journal(plan.journal, plan.run, plan.system, plan.options)
    with journal, ErrorsFile(plan.file) as errors:
        execution = Execution(journal, errors, plan.prepare, plan.post)
        try:
            with progress() as bars:
                bar = bars.add_task(plan.file.path.name, total=plan.rows)
                execution.all(plan.file, lambda rows: bars.advance(bar, rows))
        except KeyboardInterrupt:
            output.note(f"Interrupted. {_so_far(plan, execution)}")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except NotificationsError:
            output.note(f"Stopped. {_so_far(plan, execution)}")
            raise
        journal.finish()
        if plan.repeatable:
            journal.remove()
    _summarise(execution, as_json=as_json)
    if execution.tally.refused:
        raise typer.Exit(ExitCode.BAD_OUTCOME)


def _so_far(plan: Plan, execution: Execution) -> str:
    done = execution.tally.accepted + execution.tally.already
    sent_once = "" if plan.repeatable else ": none is sent twice"
    return f"{done:,} of {plan.rows:,} rows are accepted. Run the same command again to go on{sent_once}"


def _summarise(execution: Execution, *, as_json: bool) -> None:
    errors = str(execution.errors.path) if execution.tally.refused else None
    if as_json:
        output.show_json({**execution.tally.as_json(), "errors_file": errors})
        return
    output.line(execution.tally)
    if errors:
        output.note(f"The refused rows, each with its reason, are in {errors}")
    if execution.tally.already and not execution.tally.accepted and not execution.tally.refused:
        output.note("All rows were accepted before. To send them once more, name another run: --run NAME")
