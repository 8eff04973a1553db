"""The page's work, three ways: the same addresses one after the other, on a pool of five threads, and with weft.

Each way hands out a `Check` as each call ends, with `for` or, in an async application, with `async for`.
"""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from weft.cli.demo.guarding import guard_for, guarded_session
from weft.cli.demo.wording import describe
from weft.clock import now
from weft.http.api import get
from weft.http.errors import BodyTooLarge, ReadTimeout
from weft.http.pool import engine_here
from weft.http.response import Response
from weft.outcome import Failed, Ok, Outcome, TimedOut
from weft.runtime.face import map as weft_map
from weft.scopes.task import Task

__all__ = ["Check", "Phases", "one_by_one", "pool_of_five", "warm_up", "with_weft", "with_weft_async"]

_PATIENCE = 10.0  # seconds of silence that `requests` is given, as in the article
_LARGEST = 4 * 1024 * 1024  # bytes of an answer; the demo is no download tool
_LONGEST = 20.0  # seconds after which the demo, unlike the article's code, gives an answer up that drips on and on
_BAD = 400

Phases = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Check:
    """How one call went.

    Attributes:
        index: which of the addresses.
        seconds: from the beginning of the run until it was over.
        outcome: "ok", "failed" or "late".
        words: the same in a word or two; `detail` in a sentence.
        phases: what the seconds were spent on: "queued", "connect", "wait", "body" or "run".
    """

    index: int
    seconds: float
    outcome: str
    words: str
    detail: str
    phases: Phases


def one_by_one(urls: list[str]) -> Iterator[Check]:
    """The article's first version: `requests.get` in a loop."""
    began = now()
    for index, url in enumerate(urls):
        yield _with_requests(index, url, began)


def pool_of_five(urls: list[str]) -> Iterator[Check]:
    """The article's second version: a new pool of five threads in each request."""
    began = now()
    pool = ThreadPoolExecutor(max_workers=5)
    try:
        calls = [pool.submit(_with_requests, index, url, began) for index, url in enumerate(urls)]
        for done in as_completed(calls):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # whoever leaves early does not wait for the rest


def with_weft(urls: list[str], deadline: float) -> Iterator[Check]:
    """`weft.map` from a thread: all at once, under one deadline, in seconds."""
    began = now()
    for task in weft_map(_fetch, list(enumerate(urls)), deadline=deadline).as_completed():
        yield _of_task(task, began)


async def with_weft_async(urls: list[str], deadline: float) -> AsyncIterator[Check]:
    """`weft.map` from a coroutine: the same words, and `async for`."""
    began = now()
    async for task in weft_map(_fetch, list(enumerate(urls)), deadline=deadline).as_completed():
        yield _of_task(task, began)


async def warm_up() -> None:
    """Load the HTTP engine on this loop."""
    engine_here()


async def _fetch(numbered: tuple[int, str]) -> Response:
    _, url = numbered
    return await get(url, guard=guard_for(url), max_body=_LARGEST)


def _of_task(task: Task[Any], began: float) -> Check:
    created, ended = task.created_at, task.ended_at or now()
    started = ended if task.started_at is None else task.started_at
    phases = [("queued", started - min(began, created)), *_phases_of(task.outcome, ended - started)]
    return _check(task.args[0][0], ended - began, _status_or_error(task.outcome), phases)


def _status_or_error(outcome: Outcome[Any] | None) -> int | BaseException:
    match outcome:
        case Ok(response):
            return int(response.status_code)
        case Failed() | TimedOut():
            return outcome.as_error()
        case _:
            return RuntimeError(f"not made: {outcome}")


def _phases_of(outcome: Outcome[Any] | None, ran: float) -> Phases:
    if not isinstance(outcome, Ok):
        return [("run", ran)]
    times = outcome.value.timings
    connected = max(times.dns, times.connect, times.tls)
    headed = max(connected, times.first_byte)
    return [
        ("queued", max(0.0, ran - times.total)),  # for the engine
        ("connect", connected),
        ("wait", headed - connected),
        ("body", max(0.0, times.total - headed)),
    ]


def _with_requests(index: int, url: str, began: float) -> Check:
    started = headed = now()
    found: int | BaseException
    try:
        with guarded_session(guard_for(url)) as session, session.get(url, timeout=_PATIENCE, stream=True) as answer:
            headed = now()
            _read(answer, started + _LONGEST)
            found = answer.status_code
    except Exception as error:  # noqa: BLE001 - whatever it was, the page shows it
        found = error
    ended = now()
    return _check(index, ended - began, found, _thread_phases(started - began, headed - started, ended - headed, found))


def _read(answer: Any, until: float) -> None:
    size = 0
    while chunk := answer.raw.read1(65_536, decode_content=True):  # what has come by now, be it one byte
        size += len(chunk)
        if size > _LARGEST:
            raise BodyTooLarge(f"the answer is larger than {_LARGEST} bytes")
        if now() > until:
            raise ReadTimeout(f"the answer still drips after {_LONGEST:g} s")


def _thread_phases(queued: float, wait: float, body: float, found: int | BaseException) -> Phases:
    if isinstance(found, int):
        return [("queued", queued), ("wait", wait), ("body", body)]
    return [("queued", queued), ("run", wait + body)]


def _check(index: int, seconds: float, found: int | BaseException, phases: Phases) -> Check:
    if isinstance(found, int):
        outcome, words, detail = ("ok" if found < _BAD else "failed"), str(found), f"The server answered {found}."
    else:
        outcome, words, detail = describe(found)
    return Check(index, seconds, outcome, words, detail, phases)
