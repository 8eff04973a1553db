"""A mail server and a receiver of webhooks, which do as they are told; and a store whose jobs are run at once."""

import asyncio
import os
import socket
import socketserver
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

import weft
from weft.notify import breakers, settings, smtp
from weft.testing.jobs import job_store


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Mailbox:
    """What has come, and what the server is to say. `answers`: what is asked -> its next answers."""

    def __init__(self):
        self.messages, self.connections, self.asked = [], 0, 0
        self.answers = {}

    def _said(self, what, otherwise):
        waiting = self.answers.get(what)
        return waiting.pop(0) if waiting else otherwise

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802 - as aiosmtpd has it
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_NOOP(self, _server, _session, _envelope, _argument):  # noqa: N802
        self.asked += 1
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, _options):  # noqa: N802
        answer = self._said(address, self._said("rcpt", "250 OK"))
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = self._said("data", "250 OK")
        if answer == "hang":
            await asyncio.sleep(3600)
        if answer == "drop":
            server.transport.abort()
            return "421 gone"
        if answer.startswith("250"):
            self.messages.append((list(envelope.rcpt_tos), envelope.content.decode()))
        return answer


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
def mail_server(mailbox):
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    port = controller.server.sockets[0].getsockname()[1]
    weft.notify.use(smtp=f"smtp://127.0.0.1:{port}?from=shop@example.org")
    yield controller
    smtp.close_all()
    controller.stop()


@pytest.fixture
def tls_server(mailbox, tmp_path):
    """One that wants STARTTLS and a password."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    def authenticate(_server, _session, _envelope, _mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"shop", b"s3 cret"))

    controller = Controller(
        mailbox, hostname="localhost", port=free_port(), tls_context=context, require_starttls=True, auth_required=True,
        authenticator=authenticate,
    )  # fmt: skip
    controller.start()
    port = controller.server.sockets[0].getsockname()[1]
    yield f"localhost:{port}", tmp_path / "ca.pem"
    smtp.close_all()
    controller.stop()


@contextmanager
def serving(server):
    """Have it serve, in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()


class Dripping(socketserver.ThreadingTCPServer):
    """A mail server that says one byte after the other and comes to no end of its line, unless it is `polite`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Drip)
        self.polite, self.over = threading.Event(), threading.Event()


class Drip(socketserver.StreamRequestHandler):
    def handle(self):
        self.say(b"220 welcome\r\n")
        content = False
        for line in self.rfile:
            if content and line != b".\r\n":
                continue
            content = line.upper().startswith(b"DATA")
            self.say(b"354 go on\r\n" if content else b"250 OK\r\n")

    def say(self, words):
        if self.server.polite.is_set():
            self.wfile.write(words)
            return
        try:
            while not self.server.over.wait(0.01):
                self.wfile.write(b"2")
        except OSError:
            pass  # it has hung up


@pytest.fixture
def dripping():
    with Dripping() as server, serving(server):
        weft.notify.use(smtp=f"smtp://127.0.0.1:{server.server_address[1]}?from=shop@example.org")
        yield server
        server.over.set()
        smtp.close_all()


class SlowHandshake(socketserver.StreamRequestHandler):
    """Has the whole time pass while TLS begins, when there is no socket that could be shut down, and drips then."""

    def handle(self):
        for answer in (b"220 welcome\r\n", b"250-here\r\n250 STARTTLS\r\n", b"220 go on\r\n"):
            self.wfile.write(answer)
            if not answer.startswith(b"220 go"):
                self.rfile.readline()
        self.server.cut.wait(20)
        with self.server.context.wrap_socket(self.connection, server_side=True) as secure:
            try:
                while not self.server.over.wait(0.01):
                    secure.sendall(b"2")
            except OSError:
                pass  # it has hung up


@pytest.fixture
def slow_handshake(tmp_path):
    authority = trustme.CA()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SlowHandshake) as server:
        server.daemon_threads = True
        server.cut, server.over = threading.Event(), threading.Event()
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(server.context)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        place = f"localhost:{server.server_address[1]}?from=shop@example.org&trusted={tmp_path / 'ca.pem'}"
        with serving(server):
            weft.notify.use(smtp=f"smtp+starttls://{place}")
            yield server
            server.over.set()


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        self.server.gate.wait(60)
        status, headers, answer = self.server.answers.pop(0) if self.server.answers else (200, {}, b"")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        try:
            self.wfile.write(answer)
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def receiving():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    server.seen, server.answers, server.gate = [], [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_address[1]}/hooks"
    with serving(server):
        yield server
        server.gate.set()
    server.server_close()
    weft.close()


@pytest.fixture
def receiver():
    with receiving() as server:
        server.gate.set()
        yield server


@pytest.fixture
def hanging():
    """A receiver that answers nobody until its `gate` is set."""
    with receiving() as server:
        yield server


@pytest.fixture
def store():
    with job_store() as made:
        yield made


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in os.environ:
        if name.startswith(("WEFT_SMTP", "WEFT_WEBHOOK_SECRET", "WEFT_NOTIFY_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(settings, "_settings", None)
    monkeypatch.setattr(breakers, "_asked_again", {})
