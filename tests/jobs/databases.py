"""Places for a job store, each of them empty, and gone afterwards."""

import os
import secrets
from contextlib import contextmanager

import psycopg

SERVER = os.environ.get("WEFT_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432")


@contextmanager
def sqlite(folder):
    yield f"sqlite:{folder / 'jobs.db'}"


@contextmanager
def memory(_folder):
    yield "memory:"


@contextmanager
def postgresql(_folder):
    name = f"weft_test_{secrets.token_hex(6)}"
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{SERVER}/{name}"
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


PLACES = {"sqlite": sqlite, "memory": memory, "postgresql": postgresql}
