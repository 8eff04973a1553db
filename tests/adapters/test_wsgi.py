"""The access log of WSGI apps."""

import contextvars
import http.client
import logging
import socket
import threading
from contextlib import contextmanager, suppress
from io import BytesIO
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import flask
import pytest
from flask import Flask, stream_with_context

import weft
from weft.adapters.flask import Weft
from weft.adapters.request import RequestScope
from weft.adapters.wsgi import AccessLog
from weft.logs.context import bind, fields

PLAIN = [("Content-Type", "text/plain")]
LOST = OSError("the client has hung up")


def hello(environ, start_response):
    start_response("200 OK", PLAIN)
    return [b"hel", b"lo"]


def environ_of(path="/", method="GET", **more):
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        **more,
    }


class Server:
    """A server as PEP 3333 has it, in this thread. It loses its client after `patience` chunks."""

    def __init__(self, patience=1000):
        self.patience = patience
        self.status = self.headers = None
        self.body = b""

    def start_response(self, status, headers, exc_info=None):
        if exc_info and self.body:
            raise exc_info[1]
        assert exc_info or self.status is None
        self.status, self.headers = status, dict(headers)
        return self.write

    def write(self, data):
        if not self.patience:
            raise LOST
        self.patience -= 1
        self.body += data

    def serve(self, app, environ=None):
        answer = None
        try:
            answer = app(environ or environ_of(), self.start_response)
            for chunk in answer:
                self.write(chunk)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        return self


def serve(app, environ=None, **options):
    server = Server()
    with suppress(Exception):
        server.serve(AccessLog(app, "json", **options), environ)
    return server


@pytest.fixture
def listening():
    """Serve an app by wsgiref on a real socket, one request after the other; returns the port."""

    class Handler(WSGIRequestHandler):
        def log_message(self, *_):
            pass

    @contextmanager
    def listen(app):
        with make_server("127.0.0.1", 0, app, handler_class=Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield server.server_port
            finally:
                server.shutdown()
                thread.join()

    return listen


def ask(port, path="/", method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    answer.text = answer.read()
    connection.close()
    return answer


# -- one line for each request


def test_a_request_has_one_line(hits):
    """What was asked for, by whom, and how it was answered."""
    environ = environ_of("/a b", QUERY_STRING="x=1", HTTP_REFERER="r", HTTP_USER_AGENT="u", REMOTE_USER="ann")
    server = serve(hello, environ)
    (hit,) = hits
    assert (hit.method, hit.path, hit.protocol, hit.status, hit.bytes) == ("GET", "/a%20b?x=1", "HTTP/1.1", 200, 5)
    assert (hit.remote, hit.user, hit.referer, hit.user_agent) == ("192.0.2.7", "ann", "r", "u")
    assert (server.status, server.body) == ("200 OK", b"hello")
    assert not hasattr(hit, "error")
    assert not hasattr(hit, "aborted")


def test_the_line_comes_after_the_last_byte(hits):
    """Nothing is logged before the server closes the answer, and nothing when it does so again."""
    answer = AccessLog(hello)(environ_of(), Server().start_response)
    assert [next(answer), next(answer), next(answer, None)] == [b"hel", b"lo", None]
    assert not hits
    assert not fields()  # the server's own context
    answer.close()
    answer.close()
    assert len(hits) == 1


def test_nothing_is_written_where_nobody_wants_it(hits):
    """A logger that is not enabled for INFO costs no line; the answer is the same."""
    logging.getLogger("weft.access").setLevel(logging.WARNING)
    assert serve(hello).body == b"hello"
    assert not hits


def test_it_keeps_to_the_standard(hits):
    """Between a strict server and a strict app it breaks no rule of PEP 3333."""
    inside = validator(hello)
    environ = {
        **environ_of(), "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.version": (1, 0), "SCRIPT_NAME": "",
        "QUERY_STRING": "", "wsgi.input": BytesIO(), "wsgi.errors": _Errors(), "wsgi.multithread": True,
        "wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.url_scheme": "http",
    }  # fmt: skip
    answer = validator(AccessLog(inside))(environ, lambda status, headers, exc_info=None: lambda data: None)
    assert b"".join(answer) == b"hello"
    answer.close()
    assert len(hits) == 1


class _Errors(BytesIO):
    def writelines(self, lines):
        pass


def test_over_a_real_socket(hits, listening):
    """Under wsgiref: the line is right, and an answer of one piece gets its `Content-Length` as without the log."""

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        return [b"hello"]

    with listening(AccessLog(app, "json")) as port:
        answer = ask(port, "/caf%C3%A9?password=1")
    assert (answer.status, answer.text, answer.getheader("Content-Length")) == (200, b"hello", "5")
    assert (hits[0].path, hits[0].bytes, hits[0].remote) == ("/caf%C3%A9?password=[masked]", 5, "127.0.0.1")


@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI"])
def test_the_path_as_the_client_wrote_it(hits, name):
    """Servers that keep the address as it was sent are believed."""
    serve(hello, environ_of("/b", **{name: "/a/../b?x"}))
    assert hits[0].path == "/a/../b?x"


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")]
)
def test_answers_without_a_body(hits, method, status):
    """Where HTTP allows no body, none is counted, whatever the app returns."""

    def app(environ, start_response):
        start_response(status, [])
        return [b"not sent"]

    serve(app, environ_of(method=method))
    assert (hits[0].status, hits[0].bytes) == (int(status[:3]), 0)


def test_bytes_that_are_written(hits):
    """What goes through the `write` callable counts with the rest."""

    def app(environ, start_response):
        start_response("200 OK", PLAIN)(b"123")
        return [b"45"]

    assert serve(app).body == b"12345"
    assert hits[0].bytes == 5


def test_the_second_start_counts(hits):
    """An app that starts its answer anew, with `exc_info`, is logged with what it answered in the end."""

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        try:
            raise ValueError
        except ValueError as error:
            start_response("503 Busy", PLAIN, (ValueError, error, None))
        return [b"sorry"]

    assert serve(app).status == "503 Busy"
    assert (hits[0].status, hits[0].bytes) == (503, 5)


# -- files


class KnownFile(FileWrapper):
    """A server's own."""


def files(*headers):
    def app(environ, start_response):
        start_response("200 OK", [*PLAIN, *headers])
        return environ["wsgi.file_wrapper"](app.file)

    app.file = BytesIO(b"0123456789")
    return app


def test_a_servers_file_stays_its_own(hits):
    """A file of declared length reaches the server as the object that it knows, to be sent by the kernel."""
    app = files(("Content-Length", "10"))
    answer = AccessLog(app, "json")(environ_of(**{"wsgi.file_wrapper": KnownFile}), Server().start_response)
    assert type(answer) is KnownFile
    answer.close()
    assert app.file.closed
    assert (hits[0].bytes, hasattr(hits[0], "aborted")) == (10, False)


class Sealed(list):
    """A wrapper of C, so to speak, whose `close` cannot be replaced."""

    __slots__ = ()

    def __init__(self, file):
        super().__init__([file.read()])


@pytest.mark.parametrize(
    ("headers", "wrapper"),
    [([], KnownFile), ([("Content-Length", "10")], Sealed), ([("Content-Length", "10")], lambda file: [file.read()])],
)
def test_other_files_are_counted_as_they_pass(hits, headers, wrapper):
    """A file of unknown length, or in a wrapper that cannot be watched, is handed on piece by piece."""
    server = serve(files(*headers), environ_of(**{"wsgi.file_wrapper": wrapper}))
    assert server.body == b"0123456789"
    assert hits[0].bytes == 10


def test_a_file_over_a_real_socket(hits, listening):
    """Under wsgiref a file is sent, whole, and closed."""
    app = files(("Content-Length", "10"))
    with listening(AccessLog(app, "json")) as port:
        assert ask(port).text == b"0123456789"
    assert app.file.closed
    assert hits[0].bytes == 10


# -- what goes wrong


def test_an_app_that_raises(hits):
    """Before the first byte servers answer 500: that is what is logged, with the class of the error."""

    def at_once(environ, start_response):
        raise KeyError("x")

    def started(environ, start_response):
        start_response("200 OK", PLAIN)
        raise KeyError("x")

    def iterating(environ, start_response):
        start_response("200 OK", PLAIN)
        yield b""
        raise KeyError("x")

    for app in (at_once, started, iterating):
        with pytest.raises(KeyError):
            Server().serve(AccessLog(app, "json"))
        hit = hits.pop()
        assert (hit.status, hit.error, hit.bytes, hit.aborted) == (500, "KeyError", 0, True)
        assert not fields()
    assert not hits


def test_an_app_that_raises_halfway(hits):
    """After the first byte the status stands as it was sent."""

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        yield b"12"
        raise KeyError("x")

    serve(app)
    assert (hits[0].status, hits[0].error, hits[0].bytes, hits[0].aborted) == (200, "KeyError", 2, True)


def test_an_app_that_exits(hits):
    """Even `SystemExit` is logged, and passed on."""

    def app(environ, start_response):
        raise SystemExit

    with pytest.raises(SystemExit):
        Server().serve(AccessLog(app, "json"))
    assert hits[0].error == "SystemExit"


def test_an_app_that_raises_at_its_close(hits):
    """The answer was sent; the error is noted and passed on."""

    class Answer(list):
        def close(self):
            raise KeyError("x")

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        return Answer([b"ok"])

    with pytest.raises(KeyError):
        Server().serve(AccessLog(app, "json"))
    assert (hits[0].status, hits[0].error, hits[0].bytes) == (200, "KeyError", 2)
    assert not fields()


@pytest.mark.parametrize(("patience", "sent"), [(0, 3), (1, 6)])
def test_a_client_that_leaves(hits, patience, sent):
    """An answer that the server closes early is logged as aborted, and the app's generator is closed."""
    closed = []

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        try:
            for _ in range(10):
                yield b"123"
        finally:
            closed.append(True)

    with pytest.raises(OSError, match="hung up"):
        Server(patience).serve(AccessLog(app, "json"))
    assert (hits[0].status, hits[0].bytes, hits[0].aborted, closed) == (200, sent, True, [True])


def test_a_client_that_leaves_while_it_is_written_to(hits):
    """An error out of `write` is noted like any that leaves the app."""

    def app(environ, start_response):
        start_response("200 OK", PLAIN)(b"123")
        return []

    with pytest.raises(OSError, match="hung up"):
        Server(0).serve(AccessLog(app, "json"))
    assert (hits[0].error, hits[0].aborted) == ("OSError", True)


def test_a_client_that_hangs_up_on_a_socket(hits, listening):
    """Under wsgiref, a client that resets its connection is logged once, as aborted."""
    gone = threading.Event()

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        yield b"x" * 100
        gone.wait(30)
        for _ in range(1000):
            yield b"x" * 100_000

    with listening(AccessLog(app, "json")) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            client.recv(10)
        gone.set()
    assert [hit.aborted for hit in hits] == [True]


# -- ids


def test_an_id_for_each_request(hits):
    """It is in the answer and in every line that is logged meanwhile, also while the body is sent; then it is gone."""
    seen = []

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        seen.append(fields()["request_id"])
        yield b"x"
        seen.append(fields()["request_id"])

    server = serve(app)
    assert seen == [hits[0].request_id] * 2 == [server.headers["X-Request-ID"]] * 2
    assert len(seen[0]) == 16
    assert not fields()
    serve(app)
    assert hits[0].request_id != hits[1].request_id


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"HTTP_X_REQUEST_ID": "a-1"}, "a-1"),
        ({"HTTP_TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-01"}, "a" * 32),
        ({"HTTP_X_REQUEST_ID": "a 1", "HTTP_TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-01"}, "a" * 32),
        ({"HTTP_X_REQUEST_ID": 'x"\n', "HTTP_TRACEPARENT": "nonsense"}, None),
        ({"HTTP_X_REQUEST_ID": "x" * 129}, None),
    ],
)
def test_an_id_that_comes_with_the_request(hits, headers, expected):
    """The client's own is kept if it may stand in a log, else its trace's, else there is a new one."""
    serve(hello, environ_of(**headers))
    assert hits[0].request_id == expected or (expected is None and len(hits[0].request_id) == 16)


def test_an_id_of_the_apps_own(hits):
    """An app that sets the header itself is left alone."""

    def app(environ, start_response):
        start_response("200 OK", [("x-request-id", "mine")])
        return []

    assert serve(app).headers == {"x-request-id": "mine"}


def test_fields_of_a_request_end_with_it(hits):
    """What the app binds is in the request's line, and in none of the next."""

    def app(environ, start_response):
        bind(user=42)
        return hello(environ, start_response)

    log = AccessLog(app, fields=lambda environ, hit: {"bound": dict(fields())})
    Server().serve(log)
    assert hits[0].bound["user"] == 42
    assert not fields()


def test_an_answer_closed_elsewhere(hits):
    """A server may close an answer on another thread than it was made by: one line, and no error."""
    answer = AccessLog(hello)(environ_of(), Server().start_response)
    thread = threading.Thread(target=answer.close)
    thread.start()
    thread.join()
    assert len(hits) == 1


# -- settings


def test_fields_of_the_users_own(hits):
    """`fields` is given the environ and the hit, in which are the answer's headers."""
    serve(
        hello,
        fields=lambda environ, hit: {"type": hit.headers["content-type"], "at": environ["PATH_INFO"], "n": hit.status},
    )
    assert (hits[0].type, hits[0].at, hits[0].n) == ("text/plain", "/", 200)


def test_wrong_fields_do_no_harm(hits, capsys):
    """An error in `fields` is shown on standard error; the line is written without them, the answer as it was."""
    assert serve(hello, fields=lambda environ, hit: environ["nothing"]).body == b"hello"
    assert len(hits) == 1
    assert "KeyError: 'nothing'" in capsys.readouterr().err


def test_a_wrong_log_does_no_harm(hits, capsys):
    """Whatever breaks in writing the line is shown on standard error, and the answer is as it was."""

    def broken(hit):
        raise KeyError("format")

    server = Server().serve(AccessLog(hello, broken))
    assert server.body == b"hello"
    assert "KeyError: 'format'" in capsys.readouterr().err


def test_the_client_behind_a_proxy(hits):
    """`X-Forwarded-For` counts where its sender is trusted, and only there."""
    environ = environ_of(HTTP_X_FORWARDED_FOR="198.51.100.7")
    for trusted, remote in ((["192.0.2.0/24"], "198.51.100.7"), ([], "192.0.2.7")):
        serve(hello, environ, trusted_proxies=trusted)
        assert hits.pop().remote == remote


def test_a_wrong_setting_is_told_at_once():
    """An unknown format is refused where it is written."""
    with pytest.raises(weft.InvalidValue):
        AccessLog(hello, "apache")


def test_calls_are_counted(hits):
    """The calls made for the request stand in its line, also those made while the body was sent."""

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        weft.map(str, range(3)).outcomes()
        yield b"x"
        weft.map(int, ["x"]).outcomes()

    serve(app)
    assert (hits[0].calls, hits[0].calls_ok, hits[0].calls_failed) == (4, 3, 1)
    assert 0 < hits[0].calls_wait <= hits[0].seconds


# -- Flask


@pytest.fixture
def app():
    app = Flask(__name__)
    Weft(app, access_log="json")
    return app


def test_one_line_installs_it_in_flask(app, hits):
    """`Weft(app, access_log=...)`, or `WEFT_ACCESS_LOG` in the configuration, which comes first; off by default."""
    app.add_url_rule("/", view_func=lambda: "hello")
    answer = app.test_client().get("/?a=b", buffered=True)
    assert (hits[0].path, hits[0].status, hits[0].bytes) == ("/?a=b", 200, 5)
    assert answer.headers["X-Request-ID"] == hits.pop().request_id
    for setting, argument in (("common", None), (None, "common"), (None, None)):
        other = Flask(__name__)
        if setting or argument is None:
            other.config["WEFT_ACCESS_LOG"] = setting
        Weft(other, access_log=argument)
        other.test_client().get("/", buffered=True)
    assert [hit.getMessage()[-7:] for hit in hits] == ["404 207"] * 2


def test_calls_of_a_view(app, hits):
    """What a view calls stands in the line, with what came of it."""

    @app.get("/")
    def view():
        weft.map(int, ["1", "x"]).outcomes()
        return ""

    app.test_client().get("/", buffered=True)
    assert (hits[0].calls, hits[0].calls_ok, hits[0].calls_failed) == (2, 1, 1)


def test_lateness_and_overload_of_a_view(app, hits):
    """The answers that weft gives stand in the line as they are sent."""

    def late():
        raise weft.DeadlineExceeded

    app.add_url_rule("/", view_func=late)
    app.test_client().get("/", buffered=True)
    assert hits[0].status == 504


def test_an_error_of_a_view(app, hits):
    """Flask answers 500 itself; the line says for what."""

    def view():
        raise KeyError("x")

    app.logger.disabled = True
    app.add_url_rule("/", view_func=view)
    assert app.test_client().get("/", buffered=True).status_code == 500
    assert (hits[0].status, hits[0].error) == (500, "KeyError")
    with app.test_request_context(), pytest.raises(KeyError):
        app.config["PROPAGATE_EXCEPTIONS"] = True
        app.full_dispatch_request()


def test_a_streamed_body_of_a_view(app, hits):
    """The line of a streamed answer comes after its last byte, and lines logged meanwhile have its id."""
    seen = []

    @app.get("/")
    def view():
        def stream():
            yield "12"
            assert not hits
            seen.append(fields()["request_id"])
            yield "34"

        return flask.Response(stream_with_context(stream()))

    app.test_client().get("/", buffered=True)
    assert (hits[0].bytes, hits[0].request_id) == (4, seen[0])


def test_a_file_of_a_view(app, hits, tmp_path):
    """`send_file` keeps the server's own wrapper."""
    path = tmp_path / "file.txt"
    path.write_bytes(b"0123456789")
    app.add_url_rule("/", view_func=lambda: flask.send_file(path))
    environ = app.test_client().get("/", buffered=True).request.environ
    answer = app.wsgi_app({**environ, "wsgi.file_wrapper": KnownFile}, Server().start_response)
    assert type(answer) is KnownFile
    answer.close()
    assert [hit.bytes for hit in hits] == [10, 10]


def test_fields_of_a_flask_request_end_with_it(hits):
    """What a view binds ends with its request, also where there is no access log."""
    app = Flask(__name__)
    Weft(app)
    seen = []

    @app.get("/")
    def view():
        bind(user=42)
        seen.append(dict(fields()))
        return ""

    app.test_client().get("/", buffered=True)
    assert seen == [{"user": 42}]
    assert not fields()


def test_fields_of_a_request_that_ended_elsewhere():
    """A thread that did not see the end of its last request begins the next without that one's fields."""
    last, after = RequestScope(None), RequestScope(None)
    last.open(None)
    bind(user=42)
    contextvars.Context().run(last.end)
    after.open(None)
    found = dict(fields() or {})
    after.end()
    assert "user" not in found


def test_a_request_inside_of_one_that_is_over():
    """Work that a request left behind may serve requests of its own: in a copy of its context, after its end."""
    first, second = RequestScope(None), RequestScope(None)
    first.open(None)
    copy = contextvars.copy_context()
    first.end()
    copy.run(second.open, None)
    copy.run(second.end)
