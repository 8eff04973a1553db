"""A file that was received or made, as data: JSON carries it, so that a job can."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Upload"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in the storage. It is a note, not the file: copy it, send it, give it to a job.

    Attributes:
        key: its name in the storage. Ours: a random id, and the ending of the format it proved to be.
        size: bytes.
        digest: of its content, "sha256:" and 64 hexadecimal digits.
        format: "jpeg", "png", "pdf" ... as its own bytes say; None: nobody has looked.
        filename: what the client calls it, made harmless; to be shown, never to be opened.
        seconds: stage -> seconds that it took: "receive", "inspect", "convert".
    """

    key: str
    size: int
    digest: str
    format: str | None = None
    filename: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
