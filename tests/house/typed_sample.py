"""What a caller's type checker must conclude. Checked by mypy and pyright; never run."""

from collections.abc import Sequence
from typing import Any, assert_type

import weft
from weft import Batch, Outcome, Scope, Task
from weft.http import Response


async def fetch(url: str, *, times: int = 1) -> bytes:
    """Stand in for an async function."""
    return url.encode() * times


def load(number: int) -> str:
    """Stand in for a blocking function."""
    return str(number)


@weft.cpu
def render(page: str, size: int = 1) -> list[int]:
    """Stand in for a function that computes."""
    return [len(page), size]


def in_a_thread(urls: Sequence[str]) -> None:
    """Write what synchronous code would write."""
    with weft.scope(deadline=1.0) as scope:
        assert_type(scope, Scope)
        assert_type(scope.start(fetch, "a", times=2), Task[bytes])
        assert_type(scope.start(load, 1), Task[str])
        assert_type(scope.start(load, 1).result(), str)
        assert_type(scope.start(render, "p"), Task[list[int]])
        assert_type(scope.start(load, 1).outcome, Outcome[str] | None)
        assert_type(scope.remaining, float | None)
    assert_type(weft.map(fetch, urls), Batch[bytes, list[Outcome[bytes]]])
    assert_type(weft.map(fetch, urls).outcomes(), list[Outcome[bytes]])
    assert_type(weft.map(load, [1, 2]).values(), list[str])
    assert_type(weft.map(load, [1, 2], join="all").result(), list[str])
    assert_type(weft.map(load, [1, 2], join=weft.quorum(1)).result(), list[str])
    for outcome in weft.map(fetch, urls):
        assert_type(outcome, Outcome[bytes])
        match outcome:
            case weft.Ok(value):
                assert_type(value, bytes)
            case weft.Failed(error):
                assert_type(error, BaseException)
            case weft.TimedOut(after):
                assert_type(after, float | None)
            case weft.Refused(_, retry_after):
                assert_type(retry_after, float)
            case weft.Cancelled(reason):
                assert_type(reason, str)
    assert_type(weft.run(weft.http.get, "http://a/"), Response)
    assert_type(weft.map(weft.http.get, urls).values(), list[Response])
    assert_type(weft.run(fetch, "a"), bytes)
    assert_type(weft.run(load, 1), str)
    assert_type(weft.remaining(), float | None)


async def on_a_loop(urls: Sequence[str]) -> None:
    """Write what asynchronous code would write."""
    async with weft.scope(join="settled") as scope:
        assert_type(await scope.start(fetch, "a"), bytes)
        assert_type(await scope.start(load, 1), str)
    assert_type(await weft.map(fetch, urls), list[Outcome[bytes]])
    assert_type(await weft.map(fetch, urls, join="all"), list[bytes])
    async for outcome in weft.map(load, [1, 2]):
        assert_type(outcome, Outcome[str])
    assert_type(await weft.to_thread(load, 1), str)
    assert_type(await weft.gather(weft.call(load, 1), weft.call(fetch, "a")), list[Any])


@weft.job
def add(one: int, other: int = 1) -> int:
    """Stand in for a job."""
    return one + other


@weft.job(queue="slow")
async def fetch_later(url: str) -> bytes:
    """Stand in for an async job."""
    return url.encode()


def store_jobs() -> None:
    """Write what an application would write."""
    assert_type(add.enqueue(1, other=2), weft.jobs.Handle[int])
    assert_type(add.enqueue(1).result(), int)
    assert_type(add.using(delay=1.0).enqueue(1).result(), int)
    assert_type(fetch_later.enqueue("a").result(), bytes)
