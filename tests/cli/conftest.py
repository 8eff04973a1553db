"""A site to check, for the tests of this folder; and the path to `commandline`, which they share."""

import asyncio
import ssl
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

sys.path.insert(0, str(Path(__file__).parent))

BODY = b"x" * 1000


class Site:
    """A web server on a thread of its own that does what its paths say: /ok, /missing, /hang, /gate, /broken."""

    def __init__(self, tls=None):
        self.requests = []
        self.inside = self.most = self.connections = 0
        self.quiet = threading.Event()  # no connection is open
        self.hanging = threading.Event()  # a request for /hang is there
        self._gate = []
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls))
        self.host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self.gate = 0
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self):
        self._server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _serve(self, reader, writer):
        self.connections += 1
        self.quiet.clear()
        with suppress(asyncio.CancelledError):
            try:
                await self._answer_all(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()
                self.connections -= 1
                if not self.connections:
                    self.quiet.set()

    async def _answer_all(self, reader, writer):
        while True:
            method, path, _ = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ", 2)
            self.requests.append((method, path))
            self.inside += 1
            self.most = max(self.most, self.inside)
            try:
                await self._answer(method, path, reader, writer)
            finally:
                self.inside -= 1
            await writer.drain()

    async def _answer(self, method, path, reader, writer):
        if path.startswith("/hang"):
            self.hanging.set()
            await reader.read(1)  # until the client goes away
            raise ConnectionError
        if path.startswith("/broken"):
            raise ConnectionError
        if path.startswith("/gate"):
            await self._pass_gate()
        status = "404 Not Found" if path.startswith("/missing") else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode())
        if method != "HEAD":
            writer.write(BODY)

    async def _pass_gate(self):
        # Opens when as many are inside as the test has asked for: so nobody gets through unless they come at once.
        if self.inside >= self.gate:
            for waiting in self._gate:
                waiting.set_result(None)
            self._gate.clear()
            return
        waiting = self._loop.create_future()
        self._gate.append(waiting)
        await waiting


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


@pytest.fixture
def authority(tmp_path):
    """A certificate authority that nobody knows, and its certificate as a file."""
    made = trustme.CA()
    made.file = tmp_path / "authority.pem"
    made.cert_pem.write_to_path(made.file)
    return made


@pytest.fixture
def tls_site(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    made = Site(context)
    yield made
    made.close()
