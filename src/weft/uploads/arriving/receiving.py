"""Receiving the files of a request: in a view that blocks, and in one that awaits."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import aclosing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from weft.clock import now
from weft.errors import InvalidCall, WeftError
from weft.executors.loop import running_loop
from weft.runtime.cutting import cut_off
from weft.runtime.face import to_thread
from weft.runtime.process import runtime
from weft.uploads.arriving.admission import admission
from weft.uploads.arriving.arrival import Arrival
from weft.uploads.arriving.forms import FileHead, form_of
from weft.uploads.arriving.handover import Handover
from weft.uploads.arriving.intake import Intake
from weft.uploads.arriving.received import Contents, Received
from weft.uploads.arriving.sources import Source, source_of
from weft.uploads.arriving.spools import shared_spool
from weft.uploads.errors import UploadRefused
from weft.uploads.storing.storage import Storage
from weft.uploads.storing.storages import storage as storage_here

__all__ = ["receive"]

_USUAL = Intake()


def receive(
    request: Any,
    intake: Intake = _USUAL,
    *,
    user: Hashable = None,
    raw: str | None = None,
    filename: str = "",
    storage: Storage | None = None,
) -> Received:
    """Take the files of a request into the storage: `received = weft.uploads.receive(request)`, `await` in async code.

    Bytes go to the disk and into a hash as they come; no file is ever in memory. When this returns, all files are whole
    in the storage; when it raises, none is, nor anything of them. What the client says of a file's type is not kept.

    Args:
        request: of Flask, Django, FastAPI, Starlette or Sanic, whose body nobody has read.
        intake: how much it may bring.
        user: whose uploads under way are counted; any hashable, such as a user's id or an address. None: nobody's.
        raw: take a body that is no form, too, as one file under this field. None: refuse it.
        filename: what such a file is called.
        storage: where the files go; None: into this process's own.

    Raises:
        UploadRefused: 400, 408, 413, 415, 422 or 429, with a message that is fit for the client.
        StorageError: the disk or the storage fails.
        InvalidCall: it is no request, or its body has been read already.
        ImportError: `weft[uploads]` is not installed.
    """
    source = source_of(request)
    on_loop = running_loop() is not None
    if source.blocking is None and not on_loop:
        raise InvalidCall(
            "this request can be read on the event loop alone: write `async def`, and `await receive(...)`"
        )
    head = None if raw is None else FileHead(raw, filename)
    with _dropping(source):
        announced = _announced(source)
        form = form_of(source.content_type, announced, intake, head)
    kept = storage or storage_here()

    def begin() -> Arrival:
        return Arrival(form, announced, kept, _spool_of(kept), admission().enter(user, intake))

    if on_loop:
        return Received(None, lambda: _awaiting(source, begin, intake.seconds))
    return Received(_blocking(source, begin(), intake.seconds))


@contextmanager
def _dropping(source: Source) -> Iterator[None]:
    try:
        yield
    except Exception:
        if source.drop is not None:
            source.drop()
        raise


def _blocking(source: Source, arrival: Arrival, seconds: float) -> Contents:
    assert source.blocking is not None
    end = now() + seconds
    try:
        with nullcontext() if source.stop is None else cut_off(source.stop, seconds):
            for data in source.blocking():
                _refuse_if_late(end, seconds)
                arrival.take([data])
            _refuse_if_late(end, seconds)  # or it was cut off: a server's own `read` waits until it has all
        return arrival.finish()
    except BaseException:
        arrival.abort()
        raise


async def _awaiting(source: Source, begin: Callable[[], Arrival], seconds: float) -> Contents:
    with _dropping(source):
        arrival = begin()
        return await _arriving(source, arrival, seconds)


async def _arriving(source: Source, arrival: Arrival, seconds: float) -> Contents:
    try:
        if source.chunks is None:
            return await to_thread(_blocking, source, arrival, seconds)
        try:
            async with asyncio.timeout(seconds) as limit:
                await _take_all(source.chunks(), arrival)
        except TimeoutError as error:
            if limit.expired():
                raise _too_slow(seconds) from error
            raise
        return await to_thread(arrival.finish)
    except asyncio.CancelledError:
        _on_a_thread(arrival.abort)
        raise
    except BaseException:
        await asyncio.shield(asyncio.wrap_future(_on_a_thread(arrival.abort)))
        raise


async def _take_all(chunks: AsyncGenerator[bytes, None], arrival: Arrival) -> None:
    handover = Handover(arrival.take)
    try:
        async with aclosing(chunks):
            async for data in chunks:
                await handover.put(data)
        await handover.flush()
    finally:
        handover.close()


def _on_a_thread(act: Callable[[], None]) -> "Future[None]":
    try:
        return runtime().threads.submit(act)
    except WeftError:  # too many wait there, or the process is about to end
        done: Future[None] = Future()
        act()
        done.set_result(None)
        return done


def _announced(source: Source) -> int | None:
    if source.content_encoding not in {"", "identity"}:
        raise UploadRefused(415, "content-encoding", "send the request without a Content-Encoding")
    if source.content_length is None:
        return None
    if not (source.content_length.isascii() and source.content_length.isdecimal()):
        raise UploadRefused(400, "length", "Content-Length is a number of bytes")
    return int(source.content_length[:20])


def _spool_of(storage: Storage) -> Path:
    found = getattr(storage, "spool", None)
    return found if isinstance(found, Path) else shared_spool()


def _refuse_if_late(end: float, seconds: float) -> None:
    if now() > end:
        raise _too_slow(seconds)


def _too_slow(seconds: float) -> UploadRefused:
    return UploadRefused(408, "slow", f"the request did not arrive within {seconds:g} s")
