"""A client that speaks ASGI to an app in this process, on this loop."""

import asyncio
import json
import logging
from dataclasses import dataclass, field

import pytest


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: BaseException | None = None

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """Makes one request after the other. `gone` tells the app, when it asks, that the client has left."""

    def __init__(self, app):
        self.app = app
        self.gone = asyncio.Event()

    async def get(self, path="/", *, root="http", raising=False):
        answer, asked = Answer(), False

        async def receive():
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message.get("headers", ())}
            elif message["type"] == "http.response.body":
                answer.body += message.get("body", b"")

        try:
            await self.app(self.scope(path, root), receive, send)
        except Exception as error:
            if raising:
                raise
            answer.error = error
        return answer

    @staticmethod
    def scope(path, kind):
        return {
            "type": kind, "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip


@pytest.fixture
def client_of():
    return Client


@pytest.fixture
def hits():
    """What the access log is told while the test runs."""
    seen = []
    handler = logging.Handler()
    handler.emit = seen.append
    logger = logging.getLogger("weft.access")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield seen
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
