"""The parts of a worker that deal with mails that come back."""

from chassis.process.periodic import PeriodicTask
from delivery.runtime import WorkerRuntime
from email_service.bounces.listener import BounceListener
from email_service.bounces.processing import BounceProcessor
from email_service.bounces.recording import BounceRecorder
from email_service.bounces.reporting import CLEAN_SECONDS, REPORT_SECONDS, BounceReporter
from email_service.settings import EmailSettings


def receive_bounces(settings: EmailSettings, runtime: WorkerRuntime, recorder: BounceRecorder) -> BounceProcessor:
    """Adds the tasks that report bounces, and the listener if there is a port for it."""
    return_path = settings.return_path
    processor = BounceProcessor(runtime.database, recorder, return_path)
    reporter = BounceReporter(runtime.database, runtime.broker)
    runtime.repeat(
        PeriodicTask("bounces", reporter.run_once, REPORT_SECONDS),
        PeriodicTask("old_bounces", reporter.clean, CLEAN_SECONDS),
    )
    if return_path is not None and settings.bounce_smtp_port:
        listener = BounceListener(processor, return_path, host=settings.host, port=settings.bounce_smtp_port)
        runtime.start_with(listener.start)
        runtime.close_with(listener.close)
    return processor
