"""Carries a recipe out: inspect, wait for a place and for memory, make, keep. One core for both colours."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from weft.calls.call import Call, call, cpu
from weft.clock import now
from weft.errors import DeadlineExceeded, InvalidCall, Overloaded, WeftError, WorkerCrashed
from weft.executors.loop import running_loop
from weft.runtime.face import run
from weft.runtime.process import runtime
from weft.scopes.scope import Scope
from weft.uploads.converting import keeping, making, places
from weft.uploads.converting.conversions import CONVERSIONS, Conversion, Made, Where
from weft.uploads.converting.keeping import Keep
from weft.uploads.converting.workplaces import Workplace
from weft.uploads.errors import UploadRefused
from weft.uploads.inspecting import looking
from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.limits import Limits
from weft.uploads.records import Upload
from weft.uploads.storing.storage import Storage

__all__ = ["convert", "convert_file"]

T = TypeVar("T")

_RETRY_AFTER = 5.0  # seconds; a conversion takes tenths of one, and those that wait are some


def convert(
    source: Upload | Path | str, recipe: Any, limits: Limits | None = None, *, storage: Storage | None = None
) -> Any:
    """Make something of a file, and put it into the storage: `convert(upload, Image(width=1600, format="webp"))`.

    Blocks in a thread and gives an `Upload`; in async code, `await` it. A recipe that makes several files gives a tuple
    of them. The header is inspected first; then the conversion waits for its turn (one for each usable CPU:
    `weft.limit("conversions", 4)` sets another number) and for memory (`weft.uploads.memory_budget`).

    Args:
        source: a file in the storage, or a path. It is left as it is.
        recipe: what is to be made, as `Image`; one whose type is in `CONVERSIONS`.
        limits: for the file, and the seconds for the conversion; None: those of `Limits()`.
        storage: where uploads are kept; None: the process's own.

    Raises:
        UploadRefused: the file's fault: 413 too large, 415 no format that is taken, 422 damaged, or too slow.
        Overloaded: too many conversions wait, or no memory came free in `limits.seconds`.
        DeadlineExceeded: the surrounding scope's deadline passed.
        WorkerCrashed: the process that carried it out died.
        StorageError: the storage or the disk failed.
        FileNotFoundError: there is no such file.
        InvalidCall: nothing is known to carry out such a recipe.
    """
    return _entered(source, recipe, limits or Limits(), storage, keeping.in_storage(source, storage))


def convert_file(
    source: Path | str, recipe: Any, target: Path | str, limits: Limits | None = None, *, overwrite: bool = False
) -> Any:
    """Make something of a file on this machine, and put it under a path of this machine. Otherwise as `convert`.

    The target appears whole or not at all, and the source is never written to. The result's `key` is its path.

    Args:
        source: the file.
        recipe: what is to be made.
        target: the file to write, or a folder: there, names are the source's with the ending of the format.
        limits: as in `convert`.
        overwrite: replace a file that stands there.

    Raises:
        FileExistsError: the target exists, and is not to be overwritten.
        InvalidValue: the target is the source.
    """
    path = Path(source)
    return _entered(path, recipe, limits or Limits(), None, keeping.under_path(path, Path(target), overwrite=overwrite))


def _entered(source: Upload | Path | str, recipe: Any, limits: Limits, storage: Storage | None, keep: Keep) -> Any:
    task = _Conversion(source, recipe, conversion_of(recipe), limits, storage, keep)
    return run(task.carry_out) if running_loop() is None else task.carry_out()


def conversion_of(recipe: Any) -> Conversion:
    """How the recipe is carried out.

    Raises:
        InvalidCall: nothing is known of its type.
    """
    for kind in type(recipe).__mro__:
        if kind in CONVERSIONS:
            return CONVERSIONS[kind]
    known = ", ".join(sorted(kind.__name__ for kind in CONVERSIONS)) or "none"
    instead = f"weft.uploads.CONVERSIONS[{type(recipe).__name__}] = Conversion(...)"
    raise InvalidCall(f"{recipe!r} is no recipe (known: {known}): write one of these, or {instead}")


@dataclass(slots=True)
class _Conversion:
    source: Upload | Path | str
    recipe: Any
    how: Conversion
    limits: Limits
    storage: Storage | None
    keep: Keep
    workplace: Workplace = field(default_factory=Workplace)
    stages: dict[str, float] = field(default_factory=dict)

    async def carry_out(self) -> Any:
        try:
            async with Scope(places.ConversionPlaces(runtime()), join="settled", name=self._name) as scope:
                with self._timed("inspect"):
                    path, seen, folder = await scope.start(self._here("inspect", self._prepare))
                limit = places.place_limit(alone=self.how.where is Where.ONE_AT_A_TIME)
                admitted = call(self._admitted, scope, path, seen, folder)
                made = await scope.start(admitted.using(limit=limit, name=self._name))
                with self._timed("store"):
                    kept = await scope.start(self._here("keep", self.keep, made, self.workplace))
        finally:
            self.workplace.leave()
        uploads = tuple(replace(each, seconds=self.stages) for each in kept)
        return uploads if self.how.many else uploads[0]

    def _prepare(self) -> tuple[Path, Inspection, Path]:
        path = looking.local(self.source, self.storage, self.workplace.held)
        look = self.how.look
        seen = looking.look(path, None, self.limits) if look is None else look(path, self.recipe, self.limits)
        return path, seen, self.workplace.open()

    async def _admitted(self, scope: Scope, path: Path, seen: Inspection, folder: Path) -> tuple[Made, ...]:
        memory = max(1, self.how.memory(seen, self.recipe))
        with self._timed("wait"):
            await self._wait_for(memory)
        try:
            with self._timed("convert"):
                return await scope.start(self._call(path, folder, memory))
        except DeadlineExceeded:
            if scope.remaining == 0.0:
                raise
            told = f"this file takes more than {self.limits.seconds:g} s to convert"
            raise UploadRefused(422, "slow", told) from None
        except BrokenExecutor as error:
            if isinstance(error, WorkerCrashed):
                raise
            places.close()
            raise WeftError(f"no process for conversions could be started: {error} ({error.__cause__!r})") from error

    async def _wait_for(self, memory: int) -> None:
        budget = places.budget()
        size = budget.statistics().size
        if memory > size:
            told = f"this file takes {memory >> 20} MiB of memory to convert: at most {size >> 20} MiB are allowed"
            raise UploadRefused(413, "memory", told)
        try:
            async with asyncio.timeout(self.limits.seconds):
                await budget.enter(runtime().running(), memory)
        except TimeoutError:
            told = f"no memory for a conversion came free in {self.limits.seconds:g} s"
            raise Overloaded(told, retry_after=_RETRY_AFTER) from None
        # To the end of whatever runs there: a thread that is late still has its memory.
        self.workplace.held.callback(budget.leave, memory)

    def _call(self, path: Path, folder: Path, memory: int) -> Call[tuple[Made, ...]]:
        if self.how.where is Where.PROCESSES:
            made = call(cpu(making.make_capped), self.how.make, path, self.recipe, folder, self.limits, memory=memory)
        else:
            made = self._here(self._name, making.make, self.how.make, path, self.recipe, folder, self.limits)
        return made.using(timeout=self.limits.seconds, name=self._name)

    def _here(self, name: str, fn: Callable[..., T], *args: Any) -> Call[T]:
        return call(self.workplace.use, fn, *args).using(name=name)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = now()
        yield
        self.stages[stage] = now() - began

    @property
    def _name(self) -> str:
        return f"convert to {type(self.recipe).__name__}"
