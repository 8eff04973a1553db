"""Runs an example on its server, as its README says, against an upstream of this machine."""

import json
import signal
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from weft.cli.demo.server import Server, free_port
from weft.testing import faults

GUNICORN = (
    "gunicorn",
    "--worker-class",
    "gthread",
    "--threads",
    "32",
    "--config",
    "python:weft.cli.demo.gunicorn_settings",
)
UVICORN = ("uvicorn", "--log-level", "warning")


@pytest.fixture
def upstream():
    with faults.server() as service:
        yield service.url


@pytest.fixture
def serve(request, upstream):
    """Start `app:app` of the test's own folder; returns a function that gets a path: status and JSON."""
    started = []

    def start(server):
        port = free_port("127.0.0.1", 0)
        bind = ("--bind", f"127.0.0.1:{port}") if server == "gunicorn" else ("--port", str(port))
        words = [sys.executable, "-m", *(GUNICORN if server == "gunicorn" else UVICORN), *bind, "app:app"]
        folder = Path(request.node.path).parent
        running = Server(words, f"http://127.0.0.1:{port}/", {"UPSTREAM": upstream}, folder)
        started.append(running.__enter__())
        return lambda path: get(running.url, path)

    yield start
    for running in started:
        # uvicorn passes the signal on to itself when it has shut down.
        assert running.stop() in {0, -signal.SIGTERM}, "SIGTERM ends the server in order"


def get(url, path):
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()
