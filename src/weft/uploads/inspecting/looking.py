"""Looks at a file's header, and says whether it is one that is wanted and of a sensible size."""

import sys
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from weft.executors.loop import running_loop
from weft.runtime.face import to_thread
from weft.uploads.errors import UploadRefused
from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.inspecting.probes import HOMES, PROBES
from weft.uploads.inspecting.sniffing import HEAD, sniff
from weft.uploads.limits import Limits
from weft.uploads.records import Upload
from weft.uploads.storing.storage import Storage

__all__ = ["default_storage", "inspect", "local", "look", "size_of"]

_MEGA = 1_000_000


def inspect(
    source: Upload | Path | str,
    allow: Collection[str] | None = None,
    limits: Limits | None = None,
    *,
    storage: Storage | None = None,
) -> Any:
    """What the header of a file says, if that is within the limits. Nothing is decoded: this is no proof of anything.

    Blocks in a thread and gives an `Inspection`; in async code, `await` it. Takes milliseconds, and as good as no
    memory, whatever the file is.

    Args:
        source: a file in the storage, or a path.
        allow: formats that are taken, as in {"jpeg", "png"}; None: all that are known here.
        limits: None: those of `Limits()`.
        storage: where an upload is kept; None: the process's own.

    Raises:
        UploadRefused: 413 too large, 415 no format that is taken, 422 damaged; the message is fit for the client.
        FileNotFoundError: there is no such file.
    """
    limits = limits or Limits()
    if running_loop() is None:
        return _inspect(source, allow, limits, storage)
    return to_thread(_inspect, source, allow, limits, storage)


def look(
    path: Path, allow: Collection[str] | None = None, limits: Limits | None = None, *, still: bool = False
) -> Inspection:
    """As `inspect`, of a path and blocking in any code.

    Args:
        path: the file.
        allow: formats that are taken; None: all that are known here.
        limits: None: those of `Limits()`.
        still: of an animation, only the first frame will be used: the others are not counted.
    """
    limits = limits or Limits()
    if still:
        limits = replace(limits, frames=1)
    _load()
    size = size_of(path, limits)
    kind = _format_of(path, allow)
    if kind != "zip":  # which may prove to be a workbook or another document
        _refuse_unwanted(kind, allow)
    probe = PROBES.get(kind)
    seen = Inspection(kind, size) if probe is None else probe(path, limits)
    if still:
        seen = replace(seen, frames=min(1, seen.frames))
    _refuse_unwanted(seen.format, allow)
    _refuse_excess(seen, limits)
    return seen


def size_of(path: Path, limits: Limits) -> int:
    """Bytes of the file, if that is within the limits. Raises `UploadRefused` 413 else."""
    size = path.stat().st_size
    if size > limits.size:
        raise UploadRefused(
            413, "too-large", f"the file has {size / _MEGA:.3g} MB: at most {limits.size / _MEGA:.3g} MB are taken"
        )
    return size


def local(source: Upload | Path | str, storage: Storage | None, stack: ExitStack) -> Path:
    """The file as a path on this machine, until the stack is closed. Blocks."""
    if isinstance(source, Upload):
        return stack.enter_context((storage or default_storage()).local(source.key))
    return Path(source)


def _inspect(
    source: Upload | Path | str, allow: Collection[str] | None, limits: Limits, storage: Storage | None
) -> Inspection:
    with ExitStack() as stack:
        return look(local(source, storage, stack), allow, limits)


def default_storage() -> Storage:
    """The process's own."""
    from weft.uploads.storing.storages import storage  # noqa: PLC0415 - whoever names a storage needs no default

    return storage()


def _load() -> None:
    # Each module puts its probes into the table as it is imported; those of the user stay as they are.
    for name in HOMES:
        if name not in sys.modules:
            import_module(name)


def _format_of(path: Path, allow: Collection[str] | None) -> str:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise UploadRefused(422, "empty", "the file is empty")
    kind = sniff(head)
    if kind is None:
        raise UploadRefused(415, "format", f"the file is of no format that is known here{_instead(allow)}")
    return kind


def _refuse_unwanted(kind: str, allow: Collection[str] | None) -> None:
    if allow is not None and kind not in allow:
        raise UploadRefused(415, "format", f"{kind} files are not taken here{_instead(allow)}")


def _instead(allow: Collection[str] | None) -> str:
    return "" if allow is None else f": send {', '.join(sorted(allow))}"


def _refuse_excess(seen: Inspection, limits: Limits) -> None:
    # In this order: what is named first is what the client can do something about.
    for reason, found, most, noun in (
        ("frames", seen.frames, limits.frames, "frames"),
        ("bomb", seen.megapixels, limits.megapixels, "megapixels"),
        ("pages", seen.pages, limits.pages, "pages"),
        ("rows", seen.rows, limits.rows, "rows"),
        ("files", seen.files, limits.files, "files"),
        ("bomb", seen.unpacked, limits.unpacked, "bytes unpacked"),
    ):
        if found > most:
            kind = seen.format.upper()
            raise UploadRefused(
                413, reason, f"this {kind} file has {_number(found, most)} {noun}: at most {most:g} are taken"
            )


def _number(found: float, most: float) -> str:
    # Whoever counts stops at the limit and one.
    return f"more than {most:g}" if found == most + 1 else f"{found:.10g}"
