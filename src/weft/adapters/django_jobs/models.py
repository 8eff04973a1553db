"""The outbox's table."""

from django.db import models

__all__ = ["OutboxRow"]


class OutboxRow(models.Model):  # type: ignore[misc]
    """A job that is to be moved to the store.

    Attributes:
        entry: it, as JSON.
        error: why no store takes it; such a row is kept, for a person to see.
    """

    entry = models.TextField()
    error = models.TextField(null=True)  # noqa: DJ001 - as SQLAlchemy's users have it: one table for both

    class Meta:
        """As the other libraries call it."""

        db_table = "weft_outbox"

    def __str__(self) -> str:
        return f"row {self.pk}"
