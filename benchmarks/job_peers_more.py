"""Further engines for `job_peers.py`, each with the safest settings that it has."""

import asyncio
import os
import threading
from pathlib import Path

SLOTS = 8
REDIS = "redis://127.0.0.1:6379/0"
POSTGRES = os.environ.get("POSTGRES", "postgresql://postgres@127.0.0.1/postgres")
FOLDER = Path(os.environ.get("FOLDER", "."))

__all__ = ["DBOS", "RQ", "Celery", "Procrastinate", "Taskiq", "WeftPostgreSQL", "noop_of"]


def noop_of(n):
    """The job, where an engine wants to import it."""
    from job_peers import ran

    ran(n)


if os.environ.get("PEER") == "weft PostgreSQL":
    import weft

    stored_noop = weft.job(noop_of, name="bench.noop", retries=0)


class WeftPostgreSQL:
    """weft.jobs in PostgreSQL."""

    def __init__(self):
        self.store = weft.jobs.use(POSTGRES)
        self.noop = stored_noop

    def enqueue(self, n):
        self.noop.enqueue(n)

    def enqueue_many(self, count):
        import psycopg

        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            connection.execute("TRUNCATE weft.job")
        self.noop.enqueue_many([(n,) for n in range(count)])

    def work(self):
        weft.jobs.Worker({"default": SLOTS}).run()

    def settled(self, count):
        return self.store.counts()["default"].get(weft.jobs.State.COMPLETED) == count


class Celery:
    """Celery on Redis: late acknowledgement, rejected when a worker is lost, one message ahead, 10 s of visibility."""

    def __init__(self):
        import celery

        self.app = celery.Celery("bench", broker=REDIS)
        self.app.conf.update(
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            worker_prefetch_multiplier=1,
            broker_transport_options={"visibility_timeout": 10},
            task_ignore_result=True,
            task_default_queue="weft-bench",
            worker_hijack_root_logger=False,
        )
        self.noop = self.app.task(name="bench.noop")(noop_of)

    def enqueue(self, n):
        self.noop.delay(n)

    def enqueue_many(self, count):
        for n in range(count):
            self.noop.delay(n)

    def work(self):
        self.app.Worker(pool="threads", concurrency=SLOTS, loglevel="ERROR", quiet=True).start()


class RQ:
    """RQ, which forks for each job: three retries, maintenance each 5 seconds."""

    def __init__(self):
        import redis
        import rq

        self.rq, self.connection = rq, redis.Redis.from_url(REDIS)
        self.queue = rq.Queue("weft-bench", connection=self.connection)

    def enqueue(self, n):
        self.queue.enqueue("job_peers_more.noop_of", n, retry=self.rq.Retry(max=3))

    def enqueue_many(self, count):
        for n in range(count):
            self.enqueue(n)

    def work(self):
        self.rq.Worker([self.queue], connection=self.connection, maintenance_interval=5).work(logging_level="ERROR")


class Taskiq:
    """taskiq on Redis streams; what nobody has acknowledged is taken over after 10 seconds."""

    def __init__(self):
        from taskiq_redis import RedisStreamBroker

        self.broker = RedisStreamBroker(REDIS, queue_name="weft-bench", idle_timeout=10_000)
        self.noop = self.broker.register_task(noop_of, "bench.noop")

    def enqueue_many(self, count):
        async def enqueue():
            await self.broker.startup()
            for n in range(count):
                await self.noop.kiq(n)
            await self.broker.shutdown()

        asyncio.run(enqueue())

    def work(self):
        from taskiq.api import run_receiver_task

        self.broker.is_worker_process = True
        asyncio.run(run_receiver_task(self.broker, run_startup=True, max_async_tasks=SLOTS, sync_workers=SLOTS))


class Procrastinate:
    """Procrastinate on PostgreSQL, with the periodic task of its documentation that retries stalled jobs."""

    def __init__(self):
        import procrastinate

        self.app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=POSTGRES))
        self.noop = self.app.task(name="bench.noop")(noop_of)

        @self.app.periodic(cron="* * * * * */5")
        @self.app.task(queueing_lock="retry", pass_context=True)
        async def retry_stalled(context, timestamp):
            manager = self.app.job_manager
            for job in await manager.get_stalled_jobs(seconds_since_heartbeat=10):
                await manager.retry_job(job)

    def enqueue_many(self, count):
        async def enqueue():
            async with self.app.open_async():
                if not await self.app.check_connection_async():
                    await self.app.schema_manager.apply_schema_async()
                await self.app.connector.execute_query_async("TRUNCATE procrastinate_jobs CASCADE")
                await self.noop.batch_defer_async(*({"n": n} for n in range(count)))

        asyncio.run(enqueue())

    def work(self):
        async def work():
            async with self.app.open_async():
                await self.app.run_worker_async(concurrency=SLOTS, install_signal_handlers=False)

        asyncio.run(work())


class DBOS:
    """DBOS on SQLite."""

    URL = f"sqlite:///{FOLDER / 'dbos.sqlite'}"

    def _app(self):
        import dbos

        dbos.DBOS(config={"name": "bench", "system_database_url": self.URL, "log_level": "ERROR"})
        return dbos.DBOS, dbos.DBOS.workflow(name="noop")(noop_of)

    def __init__(self):
        self.dbos, self.noop = self._app()
        self.client = None

    def enqueue(self, n):
        import dbos

        if self.client is None:
            self._launch()
            self.dbos.destroy()
            self.client = dbos.DBOSClient(system_database_url=self.URL)
        self.client.enqueue({"queue_name": "bench", "workflow_name": "noop"}, n)

    def enqueue_many(self, count):
        for n in range(count):
            self.enqueue(n)

    def _launch(self):
        self.dbos.launch()
        self.dbos.register_queue("bench", worker_concurrency=SLOTS, polling_interval_sec=0.1)

    def work(self):
        self._launch()
        threading.Event().wait()
