"""Recipes that do as a test says; in a module, so that other processes find them."""

import os
import signal
import threading
from dataclasses import dataclass

from weft.uploads import CONVERSIONS, Conversion, Made, UploadRefused, Where

begun = threading.Semaphore(0)
gate = threading.Event()
inside = 0
most = 0
_lock = threading.Lock()
folders = []


@dataclass(frozen=True)
class Copy:
    """The file as it is, `count` times; waits for the gate if told so."""

    count: int = 1
    wait: bool = False
    memory: int = 100
    fail: str = ""


@dataclass(frozen=True)
class Alone(Copy):
    """As Copy, one at a time."""


@dataclass(frozen=True)
class Apart:
    """What a process of its own does: "copy", "crash", "hang", "eat" memory, "refuse", "pid"."""

    deed: str
    memory: int = 1_000_000


def copy(source, recipe, folder, limits):
    global inside, most
    with _lock:
        inside += 1
        most = max(most, inside)
        folders.append(folder)
    try:
        begun.release()
        if recipe.wait:
            assert gate.wait(20)
        if recipe.fail:
            raise {"refuse": UploadRefused(422, "damaged", "no"), "bug": ZeroDivisionError("a bug")}[recipe.fail]
        made = [folder / f"{number}.bin" for number in range(recipe.count)]
        for path in made:
            path.write_bytes(source.read_bytes())
        return tuple(Made(path, "bin") for path in made)
    finally:
        with _lock:
            inside -= 1


def apart(source, recipe, folder, limits):
    if recipe.deed == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if recipe.deed == "hang":
        threading.Event().wait()
    if recipe.deed == "eat":
        bytearray(2_000_000_000)
    if recipe.deed == "refuse":
        raise UploadRefused(422, "damaged", "not that")
    path = folder / "made"
    path.write_bytes(str(os.getpid()).encode() if recipe.deed == "pid" else source.read_bytes())
    return (Made(path, "bin"),)


def reset():
    """As at the beginning."""
    global inside, most
    inside = most = 0
    gate.clear()
    folders.clear()
    while begun.acquire(blocking=False):
        pass


CONVERSIONS[Copy] = Conversion(copy, Where.THREADS, lambda seen, recipe: recipe.memory)
CONVERSIONS[Alone] = Conversion(copy, Where.ONE_AT_A_TIME, lambda seen, recipe: recipe.memory, many=True)
CONVERSIONS[Apart] = Conversion(apart, Where.PROCESSES, lambda seen, recipe: recipe.memory)
