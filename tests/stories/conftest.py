"""Real servers in processes of their own, and a client that can ask many things at once."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from weft.cli.demo.server import Server, free_port
from weft.testing import faults

FOLDER = Path(__file__).parent
WORDS = {
    "flask": ("gunicorn", "--config", "python:weft.cli.demo.gunicorn_settings", "--threads", "200", "--bind"),
    "fastapi": ("uvicorn", "--log-level", "warning", "--port"),
}


@pytest.fixture
def upstream():
    with faults.server() as service:
        yield service


@pytest.fixture
def site(upstream):
    """Run the application of a story on its server; see `Site`."""

    @contextmanager
    def run(framework, *options, **environ):
        port = free_port("127.0.0.1", 0)
        bind = f"127.0.0.1:{port}" if framework == "flask" else str(port)
        words = [sys.executable, "-m", *WORDS[framework], bind, *options, f"{framework}_story:app"]
        url = f"http://127.0.0.1:{port}"
        with Server(words, f"{url}/debug", {"UPSTREAM": upstream.url, **environ}, FOLDER) as server:
            yield Site(url, server)

    return run


class Site:
    """A running application and its client."""

    def __init__(self, url, server):
        self.where = urlsplit(url).netloc
        self.server = server

    def get(self, path):
        return asyncio.run(self.ask(path))

    def get_many(self, path, count):
        async def ask_all():
            return await asyncio.gather(*(self.ask(path) for _ in range(count)))

        return asyncio.run(ask_all())

    async def ask(self, path):
        """Status, headers and JSON; a connection of its own."""
        host, port = self.where.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.where}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        start, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in fields)}
        return int(start.split()[1]), headers, json.loads(body)


# -- the demo, and a browser to look at it


@pytest.fixture
def shown(tmp_path):
    """`weft demo`, run as a person would, its photos in this test's folder: the process, what it said, and its URL."""

    @contextmanager
    def run(framework, *options, **environ):
        words = [sys.executable, "-m", "weft.cli", "demo", "--no-browser", "--framework", framework, *options]
        if "--port" not in options:
            words += ["--port", str(free_port("127.0.0.1", 0))]
        words += ["--folder", str(tmp_path / "demo")]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ, **environ}) as process:
            process.said = ""
            try:
                while "weft demo: http://" not in process.said:
                    line = process.stderr.readline()
                    assert line, f"it ended: {process.said}"
                    process.said += line
                hearing = threading.Thread(target=process.stderr.read)  # nobody may wait for us to listen
                hearing.start()
                yield process, process.said[process.said.index("http://") :].split()[0]
            finally:
                process.terminate()
                process.wait(20)
                hearing.join()

    return run


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium. In CI one is installed where there is none; elsewhere its tests are skipped."""
    path = _chromium()
    if path is None and os.environ.get("CI") and os.geteuid() == 0:
        _install("chromium")
        path = _chromium()
    if path is None:
        pytest.skip("no Chromium is installed; WEFT_TEST_CHROMIUM names one that is not on the path")
    return path


def _chromium():
    named = os.environ.get("WEFT_TEST_CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    return next(filter(None, map(shutil.which, names)), None)


def _install(package):
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        done = subprocess.run(["apt-get", "-q", *words], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"apt-get {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
