"""A no-op job in each engine, chosen by PEER, in FOLDER: `python job_peers.py enqueue|work|settled|threads|probe ...`.

`enqueue N` stores N jobs; `work N` runs them, `settled N` waits until the store says so; `threads T N` has T threads
store N jobs each and prints what each call took, in seconds; `probe N` stores one each 50 ms, and prints when.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

import job_peers_more as more

FOLDER = Path(os.environ.get("FOLDER", "."))
PEER = os.environ.get("PEER", "")
POSTGRES = os.environ.get("POSTGRES", "postgresql://postgres@127.0.0.1/postgres")
SLOTS = 8

_lock = threading.Lock()
_ran = {"count": 0, "total": 0}


def ran(n=0):
    """A job has run; the first and the last write down when, and each, where STARTS or LASTS is set."""
    if "LASTS" in os.environ:
        with (FOLDER / "runs").open("a") as file:
            file.write(f"{n} begun {time.time()}\n")
        if str(n) == os.environ.get("POISON"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ["LONGER" if str(n) == os.environ.get("LONG") else "LASTS"]))
        with (FOLDER / "runs").open("a") as file:
            file.write(f"{n} ended {time.time()}\n")
        return
    if "STARTS" in os.environ:
        with (FOLDER / "starts").open("a") as file:
            file.write(f"{time.time()}\n")
        return
    with _lock:
        if not _ran["count"]:
            (FOLDER / "began").write_text(str(time.time()))
        _ran["count"] += 1
        if _ran["count"] == _ran["total"]:
            (FOLDER / "ended").write_text(str(time.time()))


if PEER == "weft":
    import weft

    @weft.job(retries=0)
    def noop(n: int) -> None:
        ran(n)


class Weft:
    """weft.jobs, SQLite with synchronous=FULL."""

    def __init__(self):
        self.store = weft.jobs.use(f"sqlite:{FOLDER / 'jobs.db'}")

    def enqueue(self, n):
        noop.enqueue(n)

    def enqueue_many(self, count):
        noop.enqueue_many([(n,) for n in range(count)])

    def work(self):
        weft.jobs.Worker({"default": SLOTS}).run()

    def settled(self, count):
        return self.store.counts()["default"].get(weft.jobs.State.COMPLETED) == count


class Huey:
    """huey on SQLite with fsync, or on Redis."""

    def __init__(self):
        import huey

        if PEER == "huey SQLite":
            self.huey = huey.SqliteHuey("bench", filename=str(FOLDER / "huey.db"), fsync=True, results=False)
        else:
            self.huey = huey.RedisHuey("bench", results=False)

        @self.huey.task()
        def noop(n):
            ran(n)

        self.noop = noop

    def enqueue(self, n):
        self.noop(n)

    def enqueue_many(self, count):
        for n in range(count):
            self.noop(n)

    def work(self):
        # Its own defaults, but for the number of threads and a quick look: the first delay is 0.1 s otherwise.
        self.huey.create_consumer(workers=SLOTS, periodic=False, initial_delay=0.001, max_delay=0.1).run()


class Raw:
    """SQLite by hand: one commit for each insert, one connection for each thread."""

    def __init__(self):
        self.local = threading.local()
        self._connection().execute("CREATE TABLE job (id INTEGER PRIMARY KEY, task TEXT, arguments TEXT)")

    def _connection(self):
        if not hasattr(self.local, "connection"):
            made = self.local.connection = sqlite3.connect(FOLDER / "raw.db", timeout=60, isolation_level=None)
            made.execute("PRAGMA journal_mode = WAL")
            made.execute("PRAGMA synchronous = FULL")
        return self.local.connection

    def enqueue(self, n):
        self._connection().execute("INSERT INTO job (task, arguments) VALUES ('noop', ?)", (json.dumps({"n": n}),))


class Dramatiq:
    """Dramatiq on Redis, which keeps nothing on disk here."""

    def __init__(self):
        import dramatiq
        from dramatiq.brokers.redis import RedisBroker

        self.broker = RedisBroker(namespace="weft-bench")
        dramatiq.set_broker(self.broker)

        @dramatiq.actor(max_retries=0)
        def noop(n):
            ran(n)

        self.noop = noop

    def enqueue(self, n):
        self.noop.send(n)

    def enqueue_many(self, count):
        for n in range(count):
            self.noop.send(n)

    def work(self):
        import dramatiq

        dramatiq.Worker(self.broker, worker_threads=SLOTS).start()
        threading.Event().wait()


class PgQueuer:
    """PgQueuer on PostgreSQL, with batches of 100."""

    def enqueue_many(self, count):
        asyncio.run(self._enqueue(count))

    async def _enqueue(self, count):
        import asyncpg
        from pgqueuer.db import AsyncpgDriver
        from pgqueuer.queries import Queries

        connection = await asyncpg.connect(POSTGRES)
        queries = Queries(AsyncpgDriver(connection))
        if not await queries.has_table("pgqueuer"):
            await queries.install()
        await connection.execute("TRUNCATE pgqueuer, pgqueuer_log")
        await queries.enqueue(["noop"] * count, [b"{}"] * count, [0] * count)
        await connection.close()

    def work(self):
        asyncio.run(self._work())

    def settled(self, _count):
        import psycopg

        with psycopg.connect(POSTGRES) as connection:
            return connection.execute("SELECT count(*) FROM pgqueuer").fetchone()[0] == 0

    async def _work(self):
        import asyncpg
        from pgqueuer import PgQueuer as Queue
        from pgqueuer.db import AsyncpgDriver

        connection = await asyncpg.connect(POSTGRES)
        queue = Queue(AsyncpgDriver(connection))

        @queue.entrypoint("noop")
        async def noop(_job):
            ran()

        await queue.run(batch_size=100)


KINDS = {
    "weft": Weft, "huey SQLite": Huey, "huey Redis": Huey, "raw SQLite": Raw, "Dramatiq Redis": Dramatiq,
    "PgQueuer": PgQueuer, "weft PostgreSQL": more.WeftPostgreSQL, "Celery Redis": more.Celery, "RQ": more.RQ,
    "taskiq Redis": more.Taskiq, "Procrastinate": more.Procrastinate, "DBOS SQLite": more.DBOS,
}  # fmt: skip


def threads(peer, count, each):
    """So many threads store so many jobs each; what each call took, and all of them."""
    taken, together = [], threading.Barrier(count + 1)

    def store():
        mine = []
        together.wait()
        for n in range(each):
            began = time.perf_counter()
            peer.enqueue(n)
            mine.append(time.perf_counter() - began)
        taken.extend(mine)

    started = [threading.Thread(target=store) for _ in range(count)]
    for thread in started:
        thread.start()
    peer.enqueue(0)  # warm
    together.wait()
    began = time.perf_counter()
    for thread in started:
        thread.join()
    return {"seconds": time.perf_counter() - began, "calls": taken}


def main():
    peer = KINDS[PEER]()
    what, *numbers = sys.argv[1:]
    if what == "enqueue":
        peer.enqueue_many(int(numbers[0]))
    elif what == "threads":
        print(json.dumps(threads(peer, int(numbers[0]), int(numbers[1]))))
    elif what == "probe":
        for n in range(int(numbers[0])):
            time.sleep(0.05)
            print(time.time(), flush=True)
            peer.enqueue(n)
    elif what == "settled":
        while hasattr(peer, "settled") and not peer.settled(int(numbers[0])):
            time.sleep(0.005)
        print(time.time())
    else:
        _ran["total"] = int(numbers[0])
        peer.work()


if __name__ == "__main__":
    # By its name, too, for those that import what they run.
    sys.modules["job_peers"] = sys.modules["__main__"]
    main()
