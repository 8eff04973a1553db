"""Who looks into a file of which format: the table of probes.

A probe reads a header and no more. It knows files alone, decodes nothing, and takes as good as no time or memory
whatever the file claims to be.
"""

from collections.abc import Callable
from pathlib import Path

from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.limits import Limits

__all__ = ["HOMES", "PROBES", "Probe"]

Probe = Callable[[Path, Limits], Inspection]
"""(path, limits) -> what the header says. Raises `UploadRefused` 422 "damaged" where it is no such file after all.

Whether what was found is within the limits is decided by who asked; a probe needs them only to know when to stop
counting. It may find a format more precise than its own: that of "zip" may answer "xlsx".
"""

PROBES: dict[str, Probe] = {}
"""Format, as the first bytes tell it -> the probe that looks further."""

HOMES: list[str] = [
    "weft.uploads.inspecting.pictures",
    "weft.uploads.inspecting.boxes",
    "weft.uploads.files.archives",
    "weft.uploads.files.pdf",
]
"""Modules that put their probes into the table as they are imported, which the first inspection does."""
