"""Real servers that log through weft: each line is in the file once, also what was logged right before a kill."""

import json
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from weft.cli.demo.server import Server, free_port

FOLDER = Path(__file__).parent
HOST = "127.0.0.1"
SOON = 20.0  # seconds for what must happen; not a time that any test waits
NAMES = range(100)
LAST_WORDS = [f"last words {number}" for number in range(20)]

GUNICORN = ["-m", "gunicorn", "--config", "logs_gunicorn.py", "--bind", f"{HOST}:PORT"]
WITH_WORKERS = {  # which are replaced when they die
    "Flask, gunicorn's sync workers": [*GUNICORN, "--preload", "--workers", "2", "logs_flask:app"],
    "Flask, gunicorn's threads": [*GUNICORN, "--worker-class", "gthread", "--threads", "8", "logs_flask:app"],
    "Starlette, gunicorn's uvicorn worker": [*GUNICORN, "-k", "uvicorn.workers.UvicornWorker", "logs_starlette:app"],
}
ALONE = {
    "Starlette, uvicorn": ["logs_starlette.py", "PORT"],
    "Django": ["logs_django.py", "runserver", "--noreload", f"{HOST}:PORT"],
    "Sanic in one process": ["logs_sanic.py", "PORT", "single"],
}
SANIC = ["logs_sanic.py", "PORT"]

pytestmark = pytest.mark.slow


def each(servers):
    return pytest.mark.parametrize("words", servers.values(), ids=servers)


class Site:
    """A running application, and its client."""

    def __init__(self, port, server):
        self.port = port
        self.server = server

    def get(self, path):
        """Ask; returns the process that has answered."""
        connection = HTTPConnection(HOST, self.port, timeout=SOON)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())["pid"]
        finally:
            connection.close()

    def log(self, names):
        """Have each name logged, by requests of which eight run at once."""
        with ThreadPoolExecutor(8) as pool:
            return set(pool.map(self.get, [f"/log/{name}" for name in names]))

    def die(self):
        """Have the process that answers log its last words, and kill itself."""
        with suppress(OSError, HTTPException):
            self.get("/die")


@pytest.fixture
def run(tmp_path):
    """Run an application on its server until the block is left."""

    @contextmanager
    def running(words):
        port = free_port(HOST, 0)
        environ = {"LOG": str(tmp_path / "app.log"), "RINGS": str(tmp_path / "rings")}
        words = [sys.executable, *(word.replace("PORT", str(port)) for word in words)]
        with Server(words, f"http://{HOST}:{port}/", environ, FOLDER) as server:
            yield Site(port, server)

    return running


@pytest.fixture
def logged(tmp_path):
    """The lines of the file, once nobody has the log open any more: no ring may be left."""

    def read():
        assert list((tmp_path / "rings").iterdir()) == []
        return [json.loads(line) for line in (tmp_path / "app.log").read_text().splitlines()]

    return read


def counts(lines, expected):
    said = Counter(line["message"] for line in lines)
    return [said[message] for message in expected]


@each(WITH_WORKERS | ALONE)
def test_each_line_is_in_the_file_once(run, logged, words):
    """The app's lines, and the server's own for each request, are there once after SIGTERM, and no ring is left."""
    with run(words) as site:
        site.log(NAMES)
    assert_each_once(logged())


def test_each_line_of_sanics_worker_is_in_the_file_once(run, logged):
    """The same, when Sanic runs its app in a worker process, as it does unless told otherwise."""
    with run(SANIC) as site:
        site.log(NAMES)
        site.get("/stop")  # because Sanic is deaf to a SIGTERM that comes in its first 100 ms
        assert site.server.wait() == 0
    assert_each_once(logged())


def assert_each_once(lines):
    assert counts(lines, [f"request {name}" for name in NAMES]) == [1] * len(NAMES)
    asked = re.findall(r"/log/(\d+)", "\n".join(map(json.dumps, lines)))
    assert Counter(asked) == {str(name): 1 for name in NAMES}


@each(WITH_WORKERS)
def test_what_a_killed_worker_logged_is_written_by_the_others(run, logged, words):
    """A worker that is killed right after it has logged takes no line with it; its server goes on."""
    with run(words) as site:
        site.die()
        site.log(["after"])
    assert counts(logged(), [*LAST_WORDS, "request after"]) == [1] * 21


@each(ALONE)
def test_what_a_killed_server_logged_is_written_by_the_next(run, logged, words):
    """A server that is killed right after it has logged finds its lines written when it has been started again."""
    with run(words) as site:
        site.die()
        assert site.server.wait() == -9
    with run(words) as site:
        site.log(["after"])
    assert counts(logged(), [*LAST_WORDS, "request after"]) == [1] * 21


SCRIPTS = {
    "basicConfig": """
        import logging
        logging.basicConfig(handlers=[weft.logs.Handler("app.log", ring="rings")], level="INFO")
        info = logging.info
    """,
    "setup": """
        import logging
        weft.logs.setup("app.log", ring="rings")
        info = logging.info
    """,
    "structlog": """
        import structlog
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=weft.logs.Stream("app.log", ring="rings")))
        info = structlog.get_logger().info
    """,
    "loguru, stream": """
        from loguru import logger
        logger.add(weft.logs.Stream("app.log", ring="rings"))
        info = logger.info
    """,
    "loguru, handler": """
        from loguru import logger
        logger.add(weft.logs.Handler("app.log", ring="rings"))
        info = logger.info
    """,
    "print": """
        from functools import partial
        info = partial(print, file=weft.logs.Stream("app.log", ring="rings"))
    """,
}
SCRIPT = """
for number in range(20):
    info(f"last words {number}.")
if len(sys.argv) > 1:
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("setting", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_loses_nothing(tmp_path, setting):
    """Whatever it logs with: what was logged before a kill is written by its next run, and that run's lines at exit."""
    code = "import os, sys, weft.logs\n" + "\n".join(line.strip() for line in setting.splitlines()) + SCRIPT
    for words, status in (["kill"], -9), ([], 0):
        done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, timeout=SOON, check=False)
        assert done.returncode == status
    assert sorted(re.findall(r"last words \d+", (tmp_path / "app.log").read_text())) == sorted(LAST_WORDS * 2)
    assert list((tmp_path / "rings").iterdir()) == []
