"""Where what is known of the jobs is kept: in Redis, one page for each, until its time is over."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from weft.jobs.celery.page import Page
from weft.jobs.codec import decode_json, encode_json
from weft.jobs.errors import StoreError
from weft.jobs.lifecycle import FINAL, State

try:
    import redis
except ImportError as missing:  # pragma: no cover - the extra is not installed
    raise ImportError("jobs through Celery need Celery and redis: run pip install 'weft[celery]'") from missing

__all__ = ["Book"]

T = TypeVar("T")

_ALL, _OPEN, _RUNNING = "weft:jobs", "weft:open", "weft:running"
"""Ids by age: of all jobs, of those that are not finished, of those that run."""

_MANY = 500
_SWEEP = 4  # seconds for which `first` has said no to all others
_ALIVE = 15  # seconds for which a worker is taken to live after its last word


class Book:
    """Pages in Redis. Concurrency safe; each method blocks, and raises `StoreError` where Redis cannot be had."""

    def __init__(self, url: str, name: str) -> None:
        self._name = name
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5)

    def durable(self) -> bool:
        """Whether Redis says that it writes down what it is given before long (or will not say)."""
        try:
            return bool(self._redis.config_get("appendonly").get("appendonly") != "no")
        except redis.ResponseError:  # a provider's, who has hidden its settings
            return True

    def add(self, pages: Iterable[Page]) -> None:
        """Put new jobs in; none that is there is changed."""
        with self._told(), self._redis.pipeline() as pipe:
            for page in pages:
                pipe.set(_key(page.entry.uid), encode_json(page), nx=True)
                for index in (_ALL, _OPEN):
                    pipe.zadd(index, {page.entry.uid: page.entry.created_at})
            pipe.execute()

    def remove(self, uids: Iterable[str]) -> None:
        """Forget jobs."""
        with self._told(), self._redis.pipeline() as pipe:
            for uid in uids:
                pipe.delete(_key(uid))
                for index in (_ALL, _OPEN, _RUNNING):
                    pipe.zrem(index, uid)
            pipe.execute()

    def page(self, uid: str) -> Page | None:
        """What is known of a job."""
        with self._told():
            return _read(self._redis.get(_key(uid)))

    def change(self, uid: str, decide: Callable[[Page | None], tuple[Page | None, T]]) -> T:
        """Write what `decide` makes of a page, with nobody in between; its other result. It may be asked twice."""
        key = _key(uid)

        def act(pipe: Any) -> T:
            page, answer = decide(_read(pipe.get(key)))
            pipe.multi()
            if page is not None:
                self._write(pipe, key, page)
            return answer

        with self._told():
            answer: T = self._redis.transaction(act, key, value_from_callable=True)
        return answer

    def pages(self) -> Iterator[Page]:
        """All, the youngest first."""
        return self._in(_ALL)

    def unfinished(self) -> Iterator[Page]:
        """Those that are not finished."""
        return self._in(_OPEN)

    def orphans(self) -> Iterator[Page]:
        """Those that ran in a worker which lives no more."""
        return (page for page in self._in(_RUNNING) if not self.alive(page.owner))

    def first(self, what: str) -> bool:
        """Whether this falls to who asks, as the first of all workers in a few seconds: it reads many pages."""
        with self._told():
            return bool(self._redis.set(f"weft:{what}", 1, nx=True, ex=_SWEEP))

    def pages_of(self, uids: Sequence[str]) -> list[Page | None]:
        """What is known of these jobs, in one question."""
        with self._told():
            return [_read(data) for data in self._redis.mget(map(_key, uids))] if uids else []

    def _in(self, index: str) -> Iterator[Page]:
        with self._told():
            uids = [uid.decode() for uid in self._redis.zrevrange(index, 0, -1)]
            for some in (uids[start : start + _MANY] for start in range(0, len(uids), _MANY)):
                for uid, page in zip(some, self.pages_of(some), strict=True):
                    if page is not None:
                        yield page
                    else:  # its time is over
                        self._redis.zrem(_ALL, uid)

    def say_alive(self, worker: str) -> None:
        """This worker lives."""
        with self._told():
            self._redis.set(f"weft:worker:{worker}", 1, ex=_ALIVE)

    def say_gone(self, worker: str) -> None:
        """It does not."""
        with self._told():
            self._redis.delete(f"weft:worker:{worker}")

    def alive(self, worker: str) -> bool:
        """Whether it does."""
        with self._told():
            return bool(self._redis.exists(f"weft:worker:{worker}"))

    def close(self) -> None:
        """Let go of Redis."""
        self._redis.close()

    def _write(self, pipe: Any, key: str, page: Page) -> None:
        kept = None if page.expires_at is None or page.finished_at is None else page.expires_at - page.finished_at
        pipe.set(key, encode_json(page), ex=None if kept is None else max(1, math.ceil(kept)))
        for index, within in ((_OPEN, page.state not in FINAL), (_RUNNING, page.state is State.RUNNING)):
            if within:
                pipe.zadd(index, {page.entry.uid: page.entry.created_at})
            else:
                pipe.zrem(index, page.entry.uid)

    def _told(self) -> "_Told":
        return _Told(self._name)


class _Told:
    """What Redis raises, said in our words."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, redis.RedisError):
            raise StoreError(f"the job store {self._name} could not be reached: {error}") from error


def _key(uid: str) -> str:
    return f"weft:job:{uid}"


def _read(data: bytes | None) -> Page | None:
    if data is None:
        return None
    page: Page = decode_json(data, Page)
    return page
