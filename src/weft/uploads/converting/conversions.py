"""The one table that says, for each kind of recipe, what carries it out and where that may run.

A recipe is a frozen dataclass that says what is to be made of a file: `Image(width=1600, format="webp")`. What makes it
knows files alone: it reads `source` and writes into `folder`, an empty folder of its own that is swept afterwards. It
is told the limits as well, because a header does not say all: how many rows a table has shows while it is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.limits import Limits

__all__ = ["CONVERSIONS", "Conversion", "Made", "Where"]


class Where(Enum):
    """Where a conversion may run."""

    THREADS = "threads"
    """It lets go of the interpreter's lock, and any number may run in one process."""

    ONE_AT_A_TIME = "one at a time"
    """It fills all cores by itself: two at once gain nothing."""

    PROCESSES = "processes"
    """It holds the interpreter's lock, or is not safe on threads, or must be killed to be stopped."""


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was made.

    Attributes:
        path: it, inside the folder that was given.
        format: what it is now, and its ending: "webp", "parquet", "txt".
        filename: what people may call it, as in an archive; to be shown, never to be opened. "": after the source.
    """

    path: Path
    format: str
    filename: str = ""


@dataclass(frozen=True, slots=True)
class Conversion:
    """How one kind of recipe is carried out.

    Attributes:
        make: (source, recipe, folder, limits) -> what was made. Blocks. A plain function at the top of its module, so
            that a process finds it. Raises `UploadRefused` where the file is to blame.
        where: where it may run.
        memory: (inspection, recipe) -> bytes that it will need at most, estimated from the header.
        look: (path, recipe, limits) -> what the header says, if such a file is taken: `weft.uploads.look` with the
            formats that it takes. None: any file is.
        many: whether it makes several files, so that the result is a tuple.
    """

    make: Callable[[Path, Any, Path, Limits], tuple[Made, ...]]
    where: Where
    memory: Callable[[Inspection, Any], int]
    look: Callable[[Path, Any, Limits], Inspection] | None = None
    many: bool = False


CONVERSIONS: dict[type, Conversion] = {}
"""Kind of recipe -> how it is carried out. Put your own in, or another in the place of one of ours."""
