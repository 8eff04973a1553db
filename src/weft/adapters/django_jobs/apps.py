"""The application, as Django sees it."""

from django.apps import AppConfig
from django.conf import settings

from weft.jobs.outbox.putting import serve_django

__all__ = ["WeftJobs"]


class WeftJobs(AppConfig):  # type: ignore[misc]
    """weft's jobs.

    The setting `WEFT_OUTBOX` names the databases whose outboxes the workers look after: ["default"], unless told.
    """

    name = "weft.adapters.django_jobs"
    label = "weft_jobs"
    verbose_name = "weft jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Django is set up."""
        from weft.adapters.django_jobs.outbox import look_after, put_rows  # noqa: PLC0415 - the models are there now

        serve_django(put_rows)
        for database in getattr(settings, "WEFT_OUTBOX", ["default"]):
            look_after(database)
