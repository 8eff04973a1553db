"""One engine for each running loop: made at the first call, closed when the loop shuts down.

Loops and their engines are told apart by identity, so that the look-up at each call is one dictionary access. The
table is written on the loops' own threads; each thread writes its own loop's entry alone.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from importlib import import_module
from typing import TypeAlias

from weft.errors import InvalidValue
from weft.http.protocol import Engine

__all__ = ["Factory", "aclose", "close_engine", "engine_here", "load", "use"]

Factory: TypeAlias = Callable[[asyncio.AbstractEventLoop], Engine]

_BUILT_IN = {"curl": ("weft.http.curl", "CurlEngine"), "aiohttp": ("weft.http.aio", "AiohttpEngine")}


_engines: dict[int, Engine] = {}
_closers: dict[int, AsyncGenerator[None, None]] = {}
_factory: str | Factory = "curl"


def use(engine: str | Factory) -> str | Factory:
    """Choose what engines are made from now on, in this process; returns the choice before. Engines that exist stay.

    Args:
        engine: "curl" (the default), "aiohttp" (needs `pip install weft[aiohttp]`), or a function that takes the loop.

    Raises:
        InvalidValue: no such engine.
    """
    global _factory
    if isinstance(engine, str) and engine not in _BUILT_IN:
        raise InvalidValue(f"there is no engine {engine!r}: write use('curl') or use('aiohttp')")
    before, _factory = _factory, engine
    return before


def engine_here() -> Engine:
    """Return the running loop's engine, made now if this is its first call.

    Raises:
        RuntimeError: no loop is running in this thread.
    """
    loop = asyncio.get_running_loop()
    engine = _engines.get(id(loop))
    return engine if engine is not None and engine.loop is loop else _make(loop)


def close_engine(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop's engine, if it has one; calls under way end with `EngineClosed`. Idempotent.

    To be called on the loop's thread, or after the loop has ended. The next call on a running loop makes a new engine.
    """
    engine = _engines.get(id(loop))
    if engine is None or engine.loop is not loop:
        return
    engine.close_now()
    closer = _forget(loop)
    with suppress(StopIteration, RuntimeError):
        closer.aclose().send(None)  # ends at once: there is nothing left to wait for


async def aclose() -> None:
    """Close the running loop's engine, if it has one; calls under way end with `EngineClosed`. Idempotent."""
    loop = asyncio.get_running_loop()
    engine = _engines.get(id(loop))
    if engine is not None and engine.loop is loop:
        await _forget(loop).aclose()


def _make(loop: asyncio.AbstractEventLoop) -> Engine:
    for stale in [engine.loop for engine in list(_engines.values()) if engine.loop.is_closed()]:
        close_engine(stale)
    engine = _new(loop)
    # `asyncio.run` and its kin close the asynchronous generators of a loop that ends: one of them is ours.
    closer = _close_at_shutdown(engine)
    with suppress(StopIteration):
        closer.__anext__().send(None)
    _engines[id(loop)], _closers[id(loop)] = engine, closer
    return engine


def load() -> None:
    """Load the engine's library now, at start-up, so that the first call need not. Starts nothing."""
    _maker()


def _new(loop: asyncio.AbstractEventLoop) -> Engine:
    return _maker()(loop)


def _maker() -> Factory:
    if not isinstance(_factory, str):
        return _factory
    module, name = _BUILT_IN[_factory]
    maker: Factory = getattr(import_module(module), name)
    return maker


async def _close_at_shutdown(engine: Engine) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        if _engines.get(id(engine.loop)) is engine:
            _forget(engine.loop)
        await engine.close()


def _forget(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
    del _engines[id(loop)]
    return _closers.pop(id(loop))


def _start_afresh() -> None:
    _engines.clear()
    _closers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
