"""`manage.py weft_worker`: run the jobs, and Django's tasks, of this project."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import autodiscover_modules

from weft.errors import InvalidValue
from weft.jobs.serving import Worker, queues_to_serve
from weft.jobs.signals import stopped_by_signals
from weft.jobs.stores import store

__all__ = ["Command"]


class Command(BaseCommand):  # type: ignore[misc]
    """Run the jobs that the applications declare in `jobs.py` and `tasks.py`."""

    help = "Runs weft's jobs, and Django's tasks, that the applications declare in jobs.py and tasks.py."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--queues", help="what to serve, and how many at once: images=2,mail=10 (all, 10 of each)")
        parser.add_argument("--grace", type=float, default=10.0, help="seconds for jobs under way (10)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Work until a signal comes."""
        autodiscover_modules("jobs", "tasks")
        try:
            queues = queues_to_serve(options["queues"] or None, _queues_of_tasks())
        except InvalidValue as error:
            raise CommandError(str(error)) from error
        if not queues:
            raise CommandError("no application declares a job: write @weft.job above a function in its jobs.py")
        worker = Worker(queues, grace=options["grace"])
        served = ", ".join(f"{queue}={size}" for queue, size in queues.items())
        self.stderr.write(f"weft_worker: {served} from {store().name}. Press Ctrl-C to stop.")
        with stopped_by_signals(worker, lambda: self.stderr.write("weft_worker: stopping; again to stop at once")):
            worker.run()


def _queues_of_tasks() -> set[str]:
    if not hasattr(settings, "TASKS"):
        return set()
    from weft.adapters.django_tasks import queues_of_tasks  # noqa: PLC0415 - Django before 6 need not have them

    return queues_of_tasks()
