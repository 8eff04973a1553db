"""Places for jobs, each of them empty, and gone afterwards."""

import os
import secrets
import socket
import subprocess
from contextlib import contextmanager

import kombu
import psycopg
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
    with psycopg.connect(f"{POSTGRESQL}/postgres", autocommit=True) as server:
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
    with kombu.Connection(RABBITMQ) as connection, _redis(folder) as port:
        connection.SimpleQueue("default").clear()
        yield f"celery+{RABBITMQ}?results=redis://127.0.0.1:{port}/0"


@contextmanager
def _redis(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
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
