"""HTTP/2: one connection for many calls, and a cancelled call resets its own stream alone."""

import asyncio
import ssl

import h2.config
import h2.connection
import h2.events
import pytest
import trustme

import weft.http
from weft.http import errors


class Server(asyncio.Protocol):
    """Answers /ok, and leaves /silence without an answer."""

    connections: list["Server"]

    def __init__(self, connections):
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.paths, self.resets = [], []
        self.closed = asyncio.Event()
        self.changed = asyncio.Event()
        connections.append(self)

    def connection_made(self, transport):
        self.transport = transport
        self.h2.initiate_connection()
        transport.write(self.h2.data_to_send())

    def connection_lost(self, error):
        self.closed.set()

    def data_received(self, data):
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.answer(event.stream_id, dict(event.headers)[b":path"])
            if isinstance(event, h2.events.StreamReset):
                self.resets.append(event.stream_id)
                self.changed.set()
        self.transport.write(self.h2.data_to_send())

    def answer(self, stream, path):
        self.paths.append(path)
        if path == b"/ok":
            self.h2.send_headers(stream, [(":status", "200"), ("x-two", "1"), ("x-two", "2")])
            self.h2.send_data(stream, b"ok", end_stream=True)
        self.changed.set()


@pytest.fixture
def http2(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    authority.issue_cert("localhost").configure_cert(context)

    def run(calls):
        async def body():
            connections = []
            loop = asyncio.get_running_loop()
            async with await loop.create_server(lambda: Server(connections), "127.0.0.1", 0, ssl=context) as server:
                url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
                await asyncio.wait_for(calls(url, connections, str(tmp_path / "ca.pem")), 10)
                await weft.http.aclose()
                for connection in connections:
                    await connection.closed.wait()

        asyncio.run(body())

    return run


def test_calls_share_a_connection(http2):
    """Calls that start together wait for the first one's connection and share it."""

    async def calls(url, connections, ca):
        answers = await asyncio.gather(*(weft.http.get(f"{url}/ok", verify=ca) for _ in range(20)))
        assert {(answer.content, answer.http_version, answer.reason) for answer in answers} == {(b"ok", "2", "")}
        assert answers[0].headers.get_list("x-two") == ["1", "2"]
        assert len(connections) == 1

    http2(calls)


def test_cancelling_resets_the_stream_alone(http2):
    """A cancelled call resets its stream; the connection, and the other calls on it, live on."""

    async def calls(url, connections, ca):
        await weft.http.get(f"{url}/ok", verify=ca)
        task = asyncio.ensure_future(weft.http.get(f"{url}/silence", verify=ca))
        while b"/silence" not in connections[0].paths:
            connections[0].changed.clear()
            await connections[0].changed.wait()
        connections[0].changed.clear()
        task.cancel()
        async with asyncio.timeout(0.5):
            while not connections[0].resets:
                await connections[0].changed.wait()
                connections[0].changed.clear()
        assert (await weft.http.get(f"{url}/ok", verify=ca)).content == b"ok"
        assert len(connections) == 1
        assert not connections[0].closed.is_set()

    http2(calls)


def test_http_1_can_be_asked_for(http2):
    """http_version="1.1" does not negotiate HTTP/2."""

    async def calls(url, connections, ca):
        with pytest.raises(errors.HTTPError):
            await weft.http.get(f"{url}/ok", verify=ca, http_version="1.1", timeout=2)

    http2(calls)
