"""From a file's name and options to a log: everything that a user can choose, checked before anything is opened."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from logging import getLevelNamesMapping
from pathlib import Path
from typing import IO, Any, TypeAlias, TypedDict

from weft.errors import InvalidCall, InvalidValue
from weft.logs.complaints import complain
from weft.logs.log import Log
from weft.logs.overload import Overload, PolicyName
from weft.logs.ring.places import Place
from weft.logs.targets.file import FileTarget
from weft.logs.targets.locking import LOCKS
from weft.logs.targets.protocol import Target
from weft.logs.targets.rotation import Period, Rotation
from weft.logs.targets.stream import StreamTarget, is_stream

__all__ = ["Destination", "Options", "open_log"]

Destination: TypeAlias = str | os.PathLike[str] | IO[Any]
"""A file's path, "stdout", "stderr", or an open stream with a descriptor."""

_STREAMS = {"stdout": 1, "stderr": 2}
_RING_SIZE = 4 << 20
_LEAST, _MOST = 256 << 10, 1 << 30

# What the standard library's handlers call it.
_ELSEWHERE = {
    "maxBytes": "max_bytes=",
    "backupCount": "keep=",
    "when": 'every="hour", "day", ...',
    "interval": 'every="hour", "day", ...',
    "mode": "nothing: weft always appends",
    "encoding": "nothing: weft always writes UTF-8",
    "errors": "nothing: what UTF-8 cannot carry is written as an escape",
    "delay": "nothing: the file is opened at once, the ring with the first line",
    "stream": "it as the first argument",
}


class Options(TypedDict, total=False):
    """What can be chosen for a log; everything has a default.

    Attributes:
        overload: what becomes of a line for which there is no room: "block" (the default), "drop_new", "drop_old".
        timeout: seconds for which "block" waits at most, per stall of the target; then new lines are given up. 1.0.
        shed_below: a level, as a number or a name; lines below it are given up early. None are.
        high_water: the share of the ring from which on they are. 0.75.
        max_bytes: the size at which the file is rotated. 0: whatever its size.
        every: "minute", "hour", "day" or "month": a new file for each, in local time. None: no.
        keep: how many old files are kept. None: all.
        compress: whether old files are compressed with gzip. False.
        durable: whether lines have to be on the disk before the ring lets go of them. False: in the system's hands,
            which survives the end of the process, and not that of the machine's power.
        ring_size: bytes of memory in which lines wait, in 8 segments. 4 MiB.
        ring: the folder of the ring's file, or False: no file, so that a kill loses what waits. None: shared memory.
    """

    overload: PolicyName
    timeout: float
    shed_below: int | str
    high_water: float
    max_bytes: int
    every: Period | None
    keep: int | None
    compress: bool
    durable: bool
    ring_size: int
    ring: str | os.PathLike[str] | bool | None


def open_log(destination: Destination, options: Options, notice: Callable[[str], bytes]) -> Log:
    """Open a log. Any mistake in the options is told before anything is opened.

    Args:
        destination: where its lines go.
        options: as above.
        notice: makes a frame of what the log has to say itself.

    Raises:
        InvalidCall: there is no such option, or no such destination.
        InvalidValue: an impossible value.
        OSError: the file cannot be opened.
    """
    given: dict[str, Any] = dict(options)
    _refuse_unknown(given)
    if "shed_below" in given:
        given["shed_below"] = _level(given["shed_below"])
    overload = Overload(**{"policy": given.pop("overload", "block"), **_taken(given, Overload)})
    rotation = Rotation(**_taken(given, Rotation))
    size = given.get("ring_size", _RING_SIZE)
    if not _LEAST <= size <= _MOST:
        raise InvalidValue(f"ring_size={size}: write the bytes, from {_LEAST:,} to {_MOST:,}, as in ring_size=8 << 20")
    target, place = _target(destination, given.get("ring"), rotation, durable=given.get("durable", False))
    return Log(target, overload=overload, size=size, place=place, notice=notice)


def _target(destination: Destination, ring: Any, rotation: Rotation, *, durable: bool) -> tuple[Target, Place | None]:
    stream = _stream(destination)
    if stream is not None:
        if rotation.rotates or durable:
            raise InvalidValue(f"{stream.name} cannot be rotated or synced: leave max_bytes=, every= and durable= out")
        return stream, _place(stream.key, ring)
    path = _absolute(Path(destination))  # type: ignore[arg-type]  # what is no stream is a path
    place = _place(str(path), ring)
    return FileTarget(path, rotation, durable=durable, gate=None if place is None else lambda: place.gate), place


def _stream(destination: Destination) -> StreamTarget | None:
    if isinstance(destination, str) and destination in _STREAMS:
        return StreamTarget(destination, _STREAMS[destination])
    if isinstance(destination, str | os.PathLike):
        path = Path(destination)
        return StreamTarget(str(path), path) if is_stream(path) else None
    with suppress(OSError, AttributeError, ValueError):
        descriptor = destination.fileno()
        return StreamTarget(getattr(destination, "name", f"descriptor {descriptor}"), descriptor, keep=destination)
    raise InvalidCall(f'{destination!r} has no descriptor to write to: write a path, "stdout" or "stderr"')


def _absolute(path: Path) -> Path:
    return path.parent.resolve() / path.name


def _place(key: str, ring: Any) -> Place | None:
    if ring is False or not LOCKS:  # without locks, nobody could tell the rings of the living from those of the dead
        return None
    try:
        return Place(None if ring in {None, True} else Path(ring), key)
    except OSError as error:
        complain(f"there is no place for a ring ({error}): a kill would lose the lines of its last moment")
        return None


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in Options.__annotations__:
            instead = _ELSEWHERE.get(name, f"one of {', '.join(Options.__annotations__)}")
            raise InvalidCall(f"there is no option {name!r}: write {instead}")


def _taken(given: dict[str, Any], kind: type[Overload | Rotation]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in given.items() if name in names}


def _level(level: int | str) -> int:
    if isinstance(level, int):
        return level
    known = getLevelNamesMapping()
    if level not in known:
        raise InvalidValue(f"shed_below={level!r}: write a level, such as shed_below='WARNING'")
    return known[level]
