"""The same application in every framework, on every server: processes of their own, and a client for them."""

import asyncio
import json
import os
import signal
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

HOST = "127.0.0.1"
SOON = 20.0  # seconds for what must happen; not a time that any test waits
GUNICORN = ("-m", "gunicorn", "--config", "python:weft.cli.demo.gunicorn_settings", "--bind", f"{HOST}:PORT")
UVICORN = ("-m", "uvicorn", "--log-level", "warning", "--port", "PORT")
HYPERCORN = ("-m", "hypercorn", "--bind", f"{HOST}:PORT")
GRANIAN = ("-m", "granian", "--interface", "asgi", "--log-level", "warning", "--port", "PORT")


@dataclass(frozen=True)
class Stack:
    """A framework on a server, and what the two can do.

    Attributes:
        words: the command, without the interpreter; PORT stands for the port.
        environ: variables to set besides.
        at_once: requests that it can work on at the same time.
        tells: it tells of a client that goes away.
        drains: at SIGTERM it ends the requests under way.
        stop: a path that ends the server, where SIGTERM does not do so reliably: Sanic is deaf to one that comes soon
            after its start.
    """

    words: tuple[str, ...]
    environ: tuple[tuple[str, str], ...] = ()
    at_once: int = 1000
    tells: bool = True
    drains: bool = True
    stop: str = ""


def wsgi(*words, **options):
    return Stack(words, tells=False, **options)


ASYNC = (("ASYNC", "1"),)
STACKS = {
    "Flask, gunicorn sync": wsgi(*GUNICORN, "-k", "sync", "flask_app:app", at_once=1),
    "Flask, gunicorn gthread": wsgi(*GUNICORN, "--threads", "50", "flask_app:app", at_once=50),
    "Flask, its own server": wsgi("-m", "flask", "--app", "flask_app", "run", "--port", "PORT", drains=False),
    "FastAPI, uvicorn": Stack((*UVICORN, "fastapi_app:app")),
    "FastAPI on weft's threads, uvicorn": Stack((*UVICORN, "fastapi_app:app"), (("ADOPT", "1"),)),
    "FastAPI, hypercorn": Stack((*HYPERCORN, "fastapi_app:app")),
    "FastAPI, granian": Stack((*GRANIAN, "fastapi_app:app")),
    "Sanic, its worker": Stack(("sanic_app.py", "PORT"), stop="/stop"),
    "Sanic, one process": Stack(("sanic_app.py", "PORT", "single")),
    "Django, gunicorn": wsgi(*GUNICORN, "--threads", "50", "django_app:application", at_once=50),
    "Django, uvicorn": Stack((*UVICORN, "django_app:application"), ASYNC),
    "Django, its own server": wsgi("django_app.py", "runserver", "--noreload", f"{HOST}:PORT", drains=False),
}


@dataclass(frozen=True)
class Answer:
    """What came back. `status` 0: the connection was closed without an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Site:
    """A running application and its client. Each request has a connection of its own."""

    def __init__(self, stack, port, server, folder):
        self.stack = stack
        self.port = port
        self.server = server
        self.folder = folder

    def get(self, path, **headers):
        return asyncio.run(self.ask(path, **headers))

    def get_many(self, path, count):
        async def ask_all():
            return await asyncio.gather(*(self.ask(path) for _ in range(count)))

        return asyncio.run(ask_all())

    async def ask(self, path, **headers):
        """Ask, and read until the server closes."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(head("GET", path, **headers))
        data = b""
        with suppress(ConnectionError):
            data = await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        return _answer(data)

    def begin(self, data):
        """Send so much of a request, and leave its connection open."""
        connection = socket.create_connection((HOST, self.port), timeout=SOON)
        connection.sendall(data)
        return connection

    def end(self):
        """Tell the server to end, and return at once."""
        if self.stack.stop:
            self.get(self.stack.stop)
        else:
            os.kill(self.server.pid, signal.SIGTERM)

    def settled(self):
        """What the server holds once it has nothing to do, and holds no more than a moment before."""
        end, before = time.monotonic() + SOON, None
        while time.monotonic() < end:
            found = self.get("/debug").json
            if found == before:
                return found
            before = found
            threading.Event().wait(0.1)
        return before


def head(method, path, **headers):
    """The head of a request."""
    fields = {"Host": HOST, "Connection": "close", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return "\r\n".join([f"{method} {path} HTTP/1.1", *map(": ".join, fields.items()), "", ""]).encode()


def reset(connection):
    """Go away as a client does that crashes."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _answer(data):
    top, _, body = data.partition(b"\r\n\r\n")
    start, *fields = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(_chunks(body))
    return Answer(int(start.split()[1]) if start else 0, headers, body)


def _chunks(body):
    while body:
        size, _, body = body.partition(b"\r\n")
        count = int(size or b"0", 16)
        yield body[:count]
        body = body[count + 2 :]
