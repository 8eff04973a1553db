"""The frameworks of the contract, each on its server, and a client that can misbehave."""

import json
import shutil
import socket
import struct
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bodies import FORM

from weft.cli.demo.server import Server, free_port

HOST = "127.0.0.1"
SOON = 20.0  # seconds for what must happen; not a time that any test waits
APPS = Path(__file__).parent / "apps"
GUNICORN = ("-m", "gunicorn", "--config", "python:weft.cli.demo.gunicorn_settings", "--bind", f"{HOST}:PORT")
UVICORN = ("-m", "uvicorn", "--log-level", "warning", "--port", "PORT")


@dataclass(frozen=True)
class Stack:
    """A framework on a server.

    Attributes:
        words: the command, without the interpreter; PORT stands for the port.
        environ: variables to set.
    """

    words: tuple[str, ...]
    environ: tuple[tuple[str, str], ...] = ()


FLASK = Stack((*GUNICORN, "--threads", "8", "flask_app:app"))
FASTAPI = Stack((*UVICORN, "fastapi_app:app"))
STREAMING = {
    "Flask, gunicorn": FLASK,
    "Django, gunicorn": Stack((*GUNICORN, "--threads", "8", "django_app:application")),
    "FastAPI, uvicorn": FASTAPI,
    "Sanic": Stack(("sanic_app.py", "PORT")),
}
# Under ASGI, Django has the whole body on its own disk before it calls a view.
ALL = {**STREAMING, "Django, uvicorn": Stack((*UVICORN, "django_app:application"), (("ASYNC", "1"),))}


@contextmanager
def running(stack, folder):
    """A stack at work in that folder."""
    for file in APPS.glob("*.py"):
        shutil.copy(file, folder)
    port = free_port(HOST, 0)
    words = [sys.executable, *(word.replace("PORT", str(port)) for word in stack.words)]
    environ = {"PYTHONPATH": str(folder), **dict(stack.environ)}
    with Server(words, f"http://{HOST}:{port}/debug", environ, folder) as server:
        yield Site(port, folder, server)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def reason(self):
        return self.json.get("reason")


@dataclass(frozen=True)
class Site:
    """A running application."""

    port: int
    folder: Path
    server: Server

    def connect(self):
        return socket.create_connection((HOST, self.port), timeout=SOON)

    def send(self, body, path="/upload", method="POST", **headers):
        """Send a request as a whole; its answer, which may come before the end."""
        with self.connect() as connection:
            with suppress(ConnectionError):
                connection.sendall(head(path, method, Content_Length=str(len(body)), **headers) + body)
            return read(connection)

    def kept(self):
        """Keys in the storage."""
        folder = self.folder / "kept"
        return {path.name for path in folder.iterdir() if path.is_file()} if folder.exists() else set()

    def arriving(self):
        """Files on their way."""
        return [path for path in (self.folder / "kept" / ".incoming").glob("*/*") if path.is_file()]

    def debug(self):
        with self.connect() as connection:
            connection.sendall(head("/debug", "GET"))
            return read(connection).json

    def wait_until(self, condition):
        end = time.monotonic() + SOON
        while not condition():
            assert time.monotonic() < end, "it did not come to pass"
            threading.Event().wait(0.01)


def head(path="/upload", method="POST", **headers):
    """The head of a request, of a form unless told otherwise."""
    fields = {"Host": HOST, "Connection": "close"}
    fields |= {} if method == "GET" else {"Content-Type": FORM}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode()


def read(connection):
    """The answer, up to the end of the connection."""
    data = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65_536):
            data += piece
    top, _, body = data.partition(b"\r\n\r\n")
    start, *fields = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(_pieces(body))
    return Answer(int(start.split()[1]) if start else 0, headers, body)


def _pieces(body):
    while body:
        size, _, body = body.partition(b"\r\n")
        count = int(size, 16)
        yield body[:count]
        body = body[count + 2 :]


def reset(connection):
    """Go away as a client does that crashes."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
