"""Real servers in processes of their own, and a client that can ask many things at once."""

import asyncio
import json
import sys
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
