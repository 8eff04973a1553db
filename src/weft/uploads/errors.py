"""What can go wrong with an upload, as answers that a web application can give."""

from collections.abc import Callable
from functools import partial

from weft.errors import WeftError

__all__ = ["StorageError", "UploadRefused"]


class UploadRefused(WeftError, ValueError):
    """The client's file is not taken. The message is fit for the client: it says what was wrong and what would do.

    Attributes:
        status: the HTTP status to answer with: 413 too large, 415 no format that is taken here, 422 damaged or not what
            it claims to be, 429 too many at once, 408 too slow, 400 no multipart at all.
        reason: one word for machines and tests, as in "too-large", "format", "bomb", "damaged".
        retry_after: seconds for an HTTP `Retry-After`; None: trying again would not help.
    """

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Callable[..., "UploadRefused"], tuple[object, ...]]:
        """Conversions in other processes refuse files, too."""
        make = partial(type(self), retry_after=self.retry_after)
        return make, (self.status, self.reason, *self.args)


class StorageError(WeftError, OSError):
    """The place where files are kept failed: its disk is full, or it cannot be reached. No fault of the client's."""
