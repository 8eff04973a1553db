"""weft as a Sanic extension, on Sanic's own server in this process."""

import asyncio
import contextlib
import json
import socket

import pytest
from sanic import Blueprint, Sanic, text

import weft
from weft.adapters.sanic import Weft, weft_deadline
from weft.scopes.current import current


@pytest.fixture
def app():
    app = Sanic("shop", configure_logging=False)
    app.config.TOUCHUP = False  # Sanic rewrites its own code, which can be done once in a process
    yield app
    Sanic._app_registry.clear()


class Answer:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    @property
    def text(self):
        return self.body.decode()


def serve(app, client):
    """Run Sanic's server on a loop of this test, and the client against its port."""

    async def main():
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server = await app.create_server(sock=listening, return_asyncio_server=True)
        await server.startup()
        await server.before_start()
        await server.after_start()
        try:
            return await client(listening.getsockname()[1])
        finally:
            await server.before_stop()
            await server.close()
            await server.after_stop()

    with contextlib.ExitStack() as stack:
        return asyncio.run(main())


async def fetch(port, path, **headers):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}\r\n".encode())
    async with asyncio.timeout(20):
        answer = Answer(await reader.read())
    writer.close()
    return answer


def ask(app, path="/", **headers):
    return serve(app, lambda port: fetch(port, path, **headers))


async def remaining(request):
    return text(str(weft.remaining()))


async def refuse(request):
    raise weft.Overloaded("limit 'x' is full", retry_after=2.4)


# -- installing


def test_one_line_installs_it(app):
    """`Weft(app)` gives each handler a scope with a deadline, plain and async ones, those of blueprints as well."""
    Weft(app)
    shop = Blueprint("goods", "/goods")
    app.add_route(remaining, "/")
    app.add_route(lambda _request: text(str(weft.remaining())), "/plain", name="plain")
    shop.add_route(remaining, "/all")
    app.blueprint(shop)

    async def client(port):
        return [await fetch(port, path) for path in ("/", "/plain", "/goods/all")]

    for answer in serve(app, client):
        assert 9.0 < float(answer.text) <= 10.0


def test_an_app_factory_installs_it_later(app):
    """`init_app` does it, twice does no harm, and the app has it in its `ctx`."""
    extension = Weft(deadline=5.0)
    extension.init_app(app)
    extension.init_app(app)
    app.add_route(remaining, "/")
    assert app.ctx.weft is extension
    assert 4.0 < float(ask(app).text) <= 5.0


def test_the_configuration_takes_precedence(app):
    """`WEFT_DEADLINE` beats the argument, and the runtime's settings are read as well."""
    app.config.WEFT_DEADLINE = 3.0
    app.config.WEFT_THREADS = 5
    Weft(app, deadline=10.0)
    app.add_route(remaining, "/")
    assert 2.0 < float(ask(app).text) <= 3.0
    assert weft.configure().threads == 5


def test_an_impossible_deadline_is_told_at_once(app):
    """A deadline that leaves no time is refused where it is written, be it argument or setting."""
    app.config.WEFT_DEADLINE = 0
    for write in (lambda: Weft(deadline=-1), lambda: Weft(app)):
        with pytest.raises(weft.InvalidValue):
            write()


# -- the deadline


def test_a_client_may_ask_for_less(app):
    """`X-Request-Timeout` shortens the deadline."""
    Weft(app)
    app.add_route(remaining, "/")
    assert 1.0 < float(ask(app, x_request_timeout="2").text) <= 2.0


def test_a_handler_is_cut_short(app):
    """A handler that waits beyond its own deadline is answered 504, with a problem document."""
    Weft(app)

    @app.get("/")
    @weft_deadline(0.05)
    async def endless(request):
        await asyncio.Event().wait()

    answer = ask(app)
    assert (answer.status, answer.headers["content-type"]) == (504, "application/problem+json")
    assert json.loads(answer.body)["status"] == 504


def test_calls_run_on_the_workers_loop_and_end_with_the_handler(app):
    """A call that the handler leaves behind, on Sanic's own loop, is cancelled when it is over."""
    Weft(app)
    left = []

    @app.get("/")
    async def leaky(request):
        scope = weft.scope()
        await scope.__aenter__()
        left.append(scope.start(asyncio.Event().wait))
        return text(str(scope.loop.loop is asyncio.get_running_loop()))

    async def client(port):
        answer = await fetch(port, "/")
        with pytest.raises(weft.TaskCancelled):
            await left[0]
        return answer

    assert serve(app, client).text == "True"
    assert current.get() is None


def test_a_client_that_leaves_takes_its_calls_along(app):
    """When the connection closes, the calls under way are cancelled."""
    Weft(app)
    begun, ended = [], []

    async def call():
        begun[0].set()
        try:
            await asyncio.Event().wait()
        finally:
            ended[0].set()

    @app.get("/")
    async def slow(request):
        async with weft.scope() as scope:
            scope.start(call)

    async def client(port):
        begun.append(asyncio.Event())
        ended.append(asyncio.Event())
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        async with asyncio.timeout(10):
            await begun[0].wait()
            writer.close()
            await ended[0].wait()

    with contextlib.suppress(asyncio.CancelledError):
        serve(app, client)
    assert ended[0].is_set()


def test_a_stream_is_covered(app):
    """What a handler streams by `request.respond()` is within its deadline; there the connection is closed."""
    Weft(app)

    @app.get("/")
    @weft_deadline(0.05)
    async def stream(request):
        response = await request.respond()
        await response.send("begun")
        await asyncio.Event().wait()

    answer = ask(app)
    assert answer.status == 200
    assert b"begun" in answer.body


# -- overload and other errors


def test_overload_is_503(app):
    """`Overloaded` is answered 503, with the seconds to wait."""
    Weft(app)
    app.add_route(refuse, "/")
    answer = ask(app)
    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_apps_own_handlers_come_first(app):
    """An exception handler for `Overloaded`, of the app, is asked and not weft's, whichever was installed first."""
    Weft(app)
    app.add_route(refuse, "/")
    app.exception(weft.Overloaded)(lambda _request, _error: text("mine", 418))
    assert ask(app).status == 418


@pytest.mark.parametrize("own", [False, True])
def test_other_groups_are_the_apps(app, own):
    """A group that holds an error of the app's own goes to its handler for `Exception`, or is Sanic's 500."""
    Weft(app)

    @app.get("/")
    async def two(request):
        raise ExceptionGroup("two", [weft.Overloaded("full"), ValueError("mine")])

    if own:
        app.exception(Exception)(lambda _request, _error: text("mine", 418))
    assert ask(app).status == (418 if own else 500)
