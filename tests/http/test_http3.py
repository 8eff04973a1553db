"""HTTP/3: the same calls over QUIC (RFC 9114), against a server of aioquic's."""

import asyncio
import time

import pytest
import trustme
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration

import weft.http
from weft.outcome import Ok, TimedOut


class Server(QuicConnectionProtocol):
    """Answers /ok, and leaves /silence without an answer."""

    connections = 0

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.http = H3Connection(self._quic)
        Server.connections += 1

    def quic_event_received(self, event):
        for happened in self.http.handle_event(event):
            if isinstance(happened, HeadersReceived) and dict(happened.headers)[b":path"] == b"/ok":
                self.http.send_headers(happened.stream_id, [(b":status", b"200")])
                self.http.send_data(happened.stream_id, b"over QUIC", end_stream=True)
                self.transmit()


@pytest.fixture
def http3(tmp_path):
    """Run a coroutine function beside the server; it is given the server's URL and the options of a call."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=False)
    configuration.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    options = {"http_version": "3", "verify": str(tmp_path / "ca.pem")}

    async def beside(main):
        Server.connections = 0
        server = await serve("127.0.0.1", 0, configuration=configuration, create_protocol=Server)
        port = server._transport.get_extra_info("sockname")[1]
        try:
            await main(f"https://localhost:{port}", options)
        finally:
            await weft.http.aclose()
            server.close()

    return lambda main: asyncio.run(beside(main))


def test_calls_share_one_connection(http3):
    """The answer says it came by HTTP/3, and further calls take further streams of the same connection."""

    async def main(url, options):
        first = await weft.http.get(f"{url}/ok", **options)
        assert (first.status_code, first.text, first.http_version) == (200, "over QUIC", "3")
        call = weft.call(weft.http.get, f"{url}/ok", **options)
        assert all(isinstance(outcome, Ok) for outcome in await weft.gather(*[call] * 10, join="settled"))
        assert Server.connections == 1

    http3(main)


def test_a_deadline_holds_over_quic(http3):
    """A stream that is never answered ends with its scope, and leaves the connection to the others."""

    async def main(url, options):
        await weft.http.get(f"{url}/ok", **options)
        started = time.monotonic()
        async with weft.scope(deadline=0.2, join="settled") as scope:
            silent = scope.start(weft.http.get, f"{url}/silence", **options)
        assert time.monotonic() - started < 0.5
        assert silent.outcome == TimedOut(0.2)
        assert (await weft.http.get(f"{url}/ok", **options)).ok

    http3(main)
