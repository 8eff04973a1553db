"""What is told the operator because it cannot be told in the log."""

import sys
from contextlib import suppress

__all__ = ["complain"]


def complain(text: str) -> None:
    """Say it on standard error. Raises nothing."""
    with suppress(OSError, ValueError, AttributeError):  # closed, or a process without one
        sys.stderr.write(f"weft.logs: {text}\n")
        sys.stderr.flush()
