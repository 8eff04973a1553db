"""Places for jobs, each of them empty, and gone afterwards. Where a server is not there, its tests are skipped.

In CI that is an error: see `conftest.py` at the root.
"""

import os
import secrets
import shutil
import socket
import subprocess
from contextlib import contextmanager

import kombu
import psycopg
import pytest
import redis

POSTGRESQL = os.environ.get("WEFT_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432")
RABBITMQ = os.environ.get("WEFT_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//")


@contextmanager
def sqlite(folder):
    yield f"sqlite:{folder / 'jobs.db'}"


@contextmanager
def memory(_folder):
    yield "memory:"


@contextmanager
def postgresql(_folder):
    name = f"weft_test_{secrets.token_hex(6)}"
    try:
        connection = psycopg.connect(f"{POSTGRESQL}/postgres", autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL at {POSTGRESQL}; WEFT_TEST_POSTGRESQL names another")
    with connection as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{POSTGRESQL}/{name}"
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def celery_redis(folder):
    with _redis(folder) as port:
        yield f"celery+redis://127.0.0.1:{port}/0?visibility=2"


@contextmanager
def celery_rabbitmq(folder):
    with kombu.Connection(RABBITMQ, connect_timeout=5) as connection, _redis(folder) as port:
        try:
            connection.SimpleQueue("default").clear()
        except OSError:
            pytest.skip(f"no RabbitMQ at {RABBITMQ}; WEFT_TEST_RABBITMQ names another")
        yield f"celery+{RABBITMQ}?results=redis://127.0.0.1:{port}/0"


@contextmanager
def _redis(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server is installed")
    command = ["redis-server", "--port", str(port), "--dir", str(folder), "--appendonly", "yes", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        client = redis.Redis(port=port)
        try:
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    pass
            yield port
        finally:
            client.close()
            process.kill()


PLACES = {
    "sqlite": sqlite,
    "memory": memory,
    "postgresql": postgresql,
    "celery+redis": celery_redis,
    "celery+rabbitmq": celery_rabbitmq,
}
