"""What can go wrong with jobs, beside what can go wrong with calls."""

from weft.errors import InvalidCall, InvalidValue, WeftError

__all__ = [
    "Discard", "JobCancelled", "JobFailed", "JobNotFound", "NotSerializable", "OutboxMissing", "ResultTimeout",
    "Snooze", "StoreError", "UnknownTask", "UnsuitablePlace",
]  # fmt: skip


class NotSerializable(InvalidCall):
    """An argument or a result is nothing that JSON can carry, or not of the type that the function declares."""


class UnknownTask(WeftError, LookupError):
    """No function of this name is declared here: it was renamed, or its module has not been imported."""


class JobNotFound(WeftError, LookupError):
    """The store has no such job: it was pruned, or never was."""


class JobFailed(WeftError):
    """The job was given up. The message is its last error."""


class JobCancelled(WeftError):
    """The job was cancelled."""


class ResultTimeout(WeftError, TimeoutError):
    """The job was not done in the seconds that the caller would wait. It goes on all the same."""


class StoreError(WeftError, OSError):
    """The store could not be written or read: the disk is full, the file is damaged, or a newer weft has written it."""


class OutboxMissing(WeftError, LookupError):
    """The database has no table `weft_outbox`. The message says how it is created."""


class UnsuitablePlace(InvalidValue):
    """The file lies where no lock of the kernel's can be relied on: on a network share."""


class Discard(Exception):
    """Raised by a job: give it up now, whatever attempts are left. The message is kept."""


class Snooze(Exception):
    """Raised by a job: run it again after `seconds`; the attempt is not counted."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:g} s")
        self.seconds = seconds
