"""What a power cut leaves of files: all that was synced, and of the rest whatever the disk had come to.

`recorder.c` writes down what a process wrote, and when it had reached the disk. A cut can come between any two of its
records. What was not synced then is lost, or there, or there in part (sectors of 512 bytes), in any order.
"""

import random
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEAD = struct.Struct("<ciqq")
_SECTOR = 512


def build(folder: Path) -> Path:
    """Compile the recorder."""
    library = folder / "recorder.so"
    source = Path(__file__).with_name("recorder.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl", "-lpthread"], check=True)
    return library


@dataclass(slots=True)
class Event:
    """One record."""

    kind: bytes
    file: int
    offset: int
    data: bytes


@dataclass(slots=True)
class Recording:
    """All of them, and the files' names."""

    events: list[Event]
    names: list[str]

    def after_cut(self, at: int, chance: random.Random) -> dict[str, bytes]:
        """Name -> what is left of each file when the power fails before that record."""
        synced = [0] * len(self.names)
        for event in self.events[:at]:
            if event.kind == b"S":
                synced[event.file] = max(synced[event.file], event.offset)
        files = [bytearray() for _ in self.names]
        for number, event in enumerate(self.events[:at]):
            content = files[event.file]
            if number < synced[event.file]:
                _apply(content, event, range(_sectors(event)))
            else:
                come_to = chance.choice(["lost", "there", "torn"])
                count = _sectors(event)
                kept = {"lost": [], "there": range(count), "torn": chance.sample(range(count), count // 2)}[come_to]
                _apply(content, event, kept, whole=come_to != "lost")
        return {name: bytes(content) for name, content in zip(self.names, files, strict=True)}


def read(log: Path) -> Recording:
    """Read what the recorder has written."""
    events, names = [], []
    for event in _events(log.read_bytes()):
        events.append(event)
        if event.kind == b"N":
            names.append(event.data.decode())
    return Recording(events, names)


def _events(data: bytes) -> Iterator[Event]:
    at = 0
    while at + _HEAD.size <= len(data):
        kind, file, offset, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield Event(kind, file, offset, data[at : at + length])
        at += length


def _sectors(event: Event) -> int:
    return -(-len(event.data) // _SECTOR)


def _apply(content: bytearray, event: Event, sectors, *, whole: bool = True) -> None:
    if event.kind == b"T" and whole:
        if event.offset < len(content):
            del content[event.offset :]
        else:
            content.extend(bytes(event.offset - len(content)))
    if event.kind != b"W":
        return
    for sector in sectors:
        piece = event.data[sector * _SECTOR : (sector + 1) * _SECTOR]
        start = event.offset + sector * _SECTOR
        if len(content) < start:
            content.extend(bytes(start - len(content)))
        content[start : start + len(piece)] = piece
