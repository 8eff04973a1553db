"""Each of the four applications, started by the command of its README, answers as the README of all four says."""

import json
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.request import HTTPErrorProcessor, build_opener

import pytest

from weft.cli.demo.server import Server, free_port

HERE = Path(__file__).parent
COMMAND = re.compile(r"^\$ (gunicorn|uvicorn|sanic) (.+)$", re.MULTILINE)
PORT = {"gunicorn": "--bind=127.0.0.1:{}", "uvicorn": "--port={}", "sanic": "--port={}"}
QUESTION = re.compile(r"^\$ curl '?localhost:8000(/.+?)'?\n(.+)$", re.MULTILINE)

pytestmark = pytest.mark.slow
ALL = pytest.mark.parametrize("folder", ["with_flask", "with_fastapi", "with_sanic", "with_django"])


@pytest.fixture
def serve():
    """Start a server; returns its port. At the end it is told to end, and must do so in order."""
    with ExitStack() as running:

        def start(words, **environ):
            port = free_port("127.0.0.1", 0)
            command = [sys.executable, *(word.format(port) for word in words)]
            server = running.enter_context(Server(command, f"http://127.0.0.1:{port}/", environ, HERE))
            running.callback(lambda: ends_in_order(server))
            return port

        yield start


def ends_in_order(server):
    # uvicorn, and a program that has no handler of its own, end by the signal itself.
    assert server.stop() in {0, -signal.SIGTERM}


@pytest.fixture
def portal(serve):
    """Start the services and an application beside them; returns a function to ask it, and the services' address."""

    def start(folder):
        services = f"127.0.0.1:{serve(['apis.py', '{}'])}"
        server, options = COMMAND.search((HERE / folder / "README.md").read_text("utf-8")).groups()
        port = serve(["-m", server, PORT[server], *options.split()], APIS=f"http://{services}")
        return lambda path: ask(f"http://127.0.0.1:{port}{path}"), services

    return start


class Anything(HTTPErrorProcessor):
    """An answer is an answer."""

    def http_response(self, _request, response):
        return response


def ask(url):
    with build_opener(Anything).open(url, timeout=30) as answer:
        return json.load(answer)


@ALL
def test_it_answers_as_the_readme_says(portal, folder):
    """Every question of the README has the answer that is printed there, in time."""
    questions = QUESTION.findall((HERE / "README.md").read_text("utf-8"))
    assert len(questions) == 4
    get, services = portal(folder)
    for path, answer in questions:
        began = time.monotonic()
        assert get(path.replace("127.0.0.1:9000", services)) == json.loads(answer.replace("127.0.0.1:9000", services))
        assert time.monotonic() - began < 4.5


@ALL
def test_it_answers_others_while_it_computes(portal, folder):
    """A report that would take minutes holds up no other request."""
    get, _ = portal(folder)
    with ThreadPoolExecutor(1) as one:
        endless = one.submit(get, "/report?bound=50000000")
        assert get("/health") == {"ok": True}
        assert not endless.done()
        assert endless.result()["status"] == 504
