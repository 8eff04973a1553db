"""The access log of ASGI apps."""

import asyncio
import logging

import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

import weft
from weft.adapters.asgi import AccessLog, Weft
from weft.logs.context import bind, fields

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
GONE = {"type": "http.disconnect"}


def body(data, *, more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


async def hello(scope, receive, send):
    await send(HEAD)
    await send(body(b"hel", more=True))
    await send(body(b"lo"))


async def speak(app, *incoming, kind="http", send=None, **more):
    """Serve one connection; returns what was sent, and the error that came out."""
    sent, messages = [], iter(incoming)
    scope = {
        "type": kind, "asgi": {"version": "3.0"}, "http_version": "1.1", "path": "/", "raw_path": b"/", "headers": [],
        "query_string": b"", "client": ("192.0.2.7", 1), "extensions": {}, **more,
    }  # fmt: skip
    if kind == "http":
        scope.setdefault("method", "GET")

    async def receive():
        message = next(messages, None)
        return message or await asyncio.Event().wait()

    async def keep(message):
        sent.append(message)

    try:
        await app(scope, receive, send or keep)
    except BaseException as error:
        return sent, error
    return sent, None


def serve(app, *incoming, **more):
    return asyncio.run(speak(AccessLog(app, "json"), *incoming, **more))


# -- one line for each request


def test_a_request_has_one_line(hits):
    """What was asked for, by whom, and how it was answered."""
    headers = [(b"referer", b"r"), (b"user-agent", b"u")]
    sent, _ = serve(hello, headers=headers, raw_path=b"/a%20b", query_string=b"x=1&token=2", method="POST")
    (hit,) = hits
    assert (hit.method, hit.path, hit.protocol) == ("POST", "/a%20b?x=1&token=[masked]", "HTTP/1.1")
    assert (hit.status, hit.bytes, hit.remote, hit.referer, hit.user_agent) == (200, 5, "192.0.2.7", "r", "u")
    assert [message["type"] for message in sent] == [HEAD["type"], "http.response.body", "http.response.body"]
    assert not hasattr(hit, "aborted")


def test_the_line_comes_after_the_last_byte(hits):
    """It is logged when the server has taken the last byte, before background tasks run."""
    seen = []

    async def app(scope, receive, send):
        await send(HEAD)
        await send(body(b"1", more=True))
        seen.append(len(hits))
        await send(body(b"2"))
        seen.append(len(hits))

    serve(app)
    assert seen == [0, 1]
    assert len(hits) == 1


def test_nothing_is_written_where_nobody_wants_it(hits):
    """A logger that is not enabled for INFO costs no line; the answer is the same."""
    logging.getLogger("weft.access").setLevel(logging.WARNING)
    assert serve(hello)[0][-1]["body"] == b"lo"
    assert not hits


@pytest.mark.parametrize(
    ("more", "path", "protocol", "remote"),
    [
        ({"raw_path": None, "path": "/caf\xe9 \n"}, "/caf%C3%A9%20%0A", "HTTP/1.1", "192.0.2.7"),
        ({"http_version": "2", "client": None}, "/", "HTTP/2", None),
        ({"http_version": "3", "client": ("", 0)}, "/", "HTTP/3", None),
    ],
)
def test_what_servers_may_leave_out(hits, more, path, protocol, remote):
    """A path is written anew where the server does not keep it; a Unix socket has no address."""
    serve(hello, **more)
    assert (hits[0].path, hits[0].protocol, getattr(hits[0], "remote", None)) == (path, protocol, remote)


def test_a_head_request_has_no_body(hits):
    """Servers drop the body of an answer to HEAD: none is counted."""
    serve(hello, method="HEAD")
    assert hits[0].bytes == 0


def test_a_file_that_the_server_reads(hits):
    """A path sent in the place of the body counts with its declared length, and is the last of the answer."""

    async def app(scope, receive, send):
        await send({**HEAD, "headers": [(b"Content-Length", b"10")]})
        await send({"type": "http.response.pathsend", "path": "/tmp/x"})
        assert hits

    assert serve(app)[1] is None
    assert (hits[0].bytes, hasattr(hits[0], "aborted")) == (10, False)


@pytest.mark.parametrize(
    ("user", "shown"),
    [("ann", "ann"), (type("User", (), {"display_name": "bob"})(), "bob"), (None, None)],
)
def test_the_user_that_a_middleware_let_in(hits, user, shown):
    """A name in the scope, or an object with one as Starlette has it, stands in the line."""
    serve(hello, user=user)
    assert getattr(hits[0], "user", None) == shown


def test_a_user_without_a_name_does_no_harm(hits):
    """One that cannot tell its name is left out."""

    class User:
        @property
        def display_name(self):
            raise NotImplementedError

    serve(hello, user=User())
    assert not hasattr(hits[0], "user")


def test_other_connections_pass(hits):
    """A lifespan has no line."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    serve(app, kind="lifespan")
    assert (seen, hits) == (["lifespan"], [])


# -- what goes wrong


def test_an_app_that_raises(hits):
    """Before the answer begins servers say 500: that is what is logged, with the class of the error."""

    async def app(scope, receive, send):
        raise KeyError("x")

    assert isinstance(serve(app)[1], KeyError)
    assert (hits[0].status, hits[0].error, hits[0].aborted) == (500, "KeyError", True)


def test_an_app_that_raises_halfway(hits):
    """Once it has begun, the status stands as it was sent."""

    async def app(scope, receive, send):
        await send(HEAD)
        await send(body(b"12", more=True))
        raise KeyError("x")

    serve(app)
    assert (hits[0].status, hits[0].error, hits[0].bytes, hits[0].aborted) == (200, "KeyError", 2, True)


def test_an_app_that_raises_in_the_background(hits):
    """An error after the last byte is no affair of the answer."""

    async def app(scope, receive, send):
        await hello(scope, receive, send)
        raise KeyError("x")

    assert isinstance(serve(app)[1], KeyError)
    assert [hasattr(hit, "error") for hit in hits] == [False]


def test_an_app_that_says_nothing(hits):
    """Servers answer 500 for it."""

    async def app(scope, receive, send):
        pass

    serve(app)
    assert (hits[0].status, hits[0].aborted) == (500, True)


def test_a_client_that_leaves_before_the_answer(hits):
    """Nobody was answered: the line says 499, as nginx does."""

    async def app(scope, receive, send):
        assert await receive() == GONE

    serve(app, GONE)
    assert (hits[0].status, hits[0].aborted) == (499, True)


@pytest.mark.parametrize("how", ["told", "raised"])
def test_a_client_that_leaves_halfway(hits, how):
    """Whether the app is told by `receive` or by an error of `send`, the answer is logged as aborted."""

    async def lost(message):
        if how == "raised" and message.get("body"):
            raise OSError

    async def app(scope, receive, send):
        await send(HEAD)
        await receive()
        await send(body(b"12", more=True))

    serve(app, GONE, send=lost)
    assert (hits[0].status, hits[0].aborted, hits[0].bytes) == (200, True, 2 if how == "told" else 0)


def test_a_client_to_which_the_beginning_could_not_be_sent(hits):
    """The error of `send` at its first message is passed on, and logged: nobody was answered."""

    async def lost(message):
        raise OSError

    assert isinstance(serve(hello, send=lost)[1], OSError)
    assert (hits[0].status, hits[0].error, hits[0].aborted) == (499, "OSError", True)


def test_a_client_that_leaves_after_the_answer(hits):
    """The end of the connection after the last byte changes nothing."""

    async def app(scope, receive, send):
        await hello(scope, receive, send)
        await receive()

    serve(app, GONE)
    assert [hasattr(hit, "aborted") for hit in hits] == [False]


def test_a_request_that_is_cancelled(hits):
    """A server that cancels a request has its line, and the cancellation."""

    async def app(scope, receive, send):
        await asyncio.Event().wait()

    async def main():
        task = asyncio.create_task(AccessLog(app, "json")(scope_of(), None, None))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert (hits[0].error, hits[0].aborted) == ("CancelledError", True)


def scope_of():
    return {"type": "http", "method": "GET", "path": "/", "headers": []}


# -- websockets

ACCEPT = {"type": "websocket.accept"}


def talk(app, *incoming, **more):
    return serve(app, *incoming, kind="websocket", **more)


def test_a_websocket_has_one_line_at_its_end(hits):
    """It counts what was sent to the client; its status is that of the switch of protocols."""

    async def app(scope, receive, send):
        await send(ACCEPT)
        await send({"type": "websocket.send", "text": "h\xe9"})
        await send({"type": "websocket.send", "bytes": b"12"})
        assert not hits
        await receive()

    sent, _ = talk(app, {"type": "websocket.disconnect", "code": 1000})
    assert (hits[0].method, hits[0].status, hits[0].bytes, hasattr(hits[0], "aborted")) == ("GET", 101, 5, False)
    assert sent[0]["headers"] == [(b"x-request-id", hits[0].request_id.encode())]


def test_a_websocket_that_the_app_closes(hits):
    """Closed after it was accepted, it ends well; before, the server refuses it with 403."""
    for opening, status in (((ACCEPT,), 101), ((), 403)):

        async def app(scope, receive, send, opening=opening):
            for message in (*opening, {"type": "websocket.close"}):
                await send(message)

        talk(app)
        assert (hits[-1].status, hasattr(hits[-1], "aborted")) == (status, False)
    assert len(hits) == 2


def test_a_websocket_that_is_answered_like_a_request(hits):
    """An app may refuse it with an answer of its own."""

    async def app(scope, receive, send):
        await send({"type": "websocket.http.response.start", "status": 429, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"later"})

    talk(app)
    assert (hits[0].status, hits[0].bytes) == (429, 5)


def test_a_websocket_that_breaks(hits):
    """A connection that was lost, and a client that left before it was let in, are told."""

    async def app(scope, receive, send, accepting=True):
        if accepting:
            await send(ACCEPT)
        await receive()

    async def waiting(scope, receive, send):
        await app(scope, receive, send, accepting=False)

    talk(app, {"type": "websocket.disconnect", "code": 1006})
    talk(waiting, {"type": "websocket.disconnect", "code": 1006})
    assert [(hit.status, hit.aborted) for hit in hits] == [(101, True), (499, True)]


# -- ids


def test_an_id_for_each_request(hits):
    """It is in the answer and in every line that is logged meanwhile, also by tasks; then it is gone."""
    seen = []

    async def app(scope, receive, send):
        seen.extend(await asyncio.gather(*(noting() for _ in range(2))))
        await hello(scope, receive, send)

    async def noting():
        return fields()["request_id"]

    async def main():
        sent, _ = await speak(AccessLog(app, "json"))
        return dict(sent[0]["headers"])[b"x-request-id"].decode(), fields()

    sent, after = asyncio.run(main())
    assert [*seen, sent] == [hits[0].request_id] * 3
    assert not after


def test_an_id_that_comes_with_the_request(hits):
    """The client's own is kept if it may stand in a log, else its trace's; one that the app sets is left alone."""
    trace = (b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")
    for headers, expected in (([(b"x-request-id", b"mine"), trace], "mine"), ([trace], "a" * 32)):
        serve(hello, headers=headers)
        assert hits.pop().request_id == expected

    async def app(scope, receive, send):
        await send({**HEAD, "headers": [(b"X-Request-ID", b"1")]})

    assert serve(app)[0][0]["headers"] == [(b"X-Request-ID", b"1")]


# -- settings


def test_fields_of_the_users_own(hits):
    """`fields` is given the scope and the hit, in which are the answer's headers."""
    log = AccessLog(hello, fields=lambda scope, hit: {"type": hit.headers["content-type"], "at": scope["path"]})
    asyncio.run(speak(log))
    assert (hits[0].type, hits[0].at) == ("text/plain", "/")


def test_the_client_behind_proxies(hits):
    """All lines of `X-Forwarded-For` count, where their sender is trusted."""
    headers = [(b"x-forwarded-for", b"198.51.100.7"), (b"x-forwarded-for", b"192.0.2.8")]
    asyncio.run(speak(AccessLog(hello, "json", trusted_proxies=["192.0.2.0/24"]), headers=headers))
    serve(hello, headers=headers)
    assert [hit.remote for hit in hits] == ["198.51.100.7", "192.0.2.7"]


def test_a_wrong_setting_is_told_at_once():
    """An unknown format is refused where it is written."""
    for write in (lambda: AccessLog(hello, "apache"), lambda: Weft(hello, access_log="apache")):
        with pytest.raises(weft.InvalidValue):
            write()


# -- with weft around requests


def test_it_is_off_by_default(hits):
    """`Weft` writes no line unless it is asked to."""
    asyncio.run(speak(Weft(hello)))
    assert not hits


def test_one_line_installs_it_in_fastapi(hits, client_of):
    """`app.add_middleware(Weft, access_log="json")` does; calls of async endpoints and plain ones are counted."""
    api = FastAPI()
    api.add_middleware(Weft, access_log="json")

    @api.get("/async")
    async def view():
        bind(user=42)
        return await weft.map(asyncio.sleep, [0, "x"])

    @api.get("/plain")
    def plain():
        weft.map(int, [1, 2]).outcomes()

    for path in ("/async", "/plain"):
        asyncio.run(client_of(api).get(path))
    assert [(hit.path, hit.status, hit.calls, hit.calls_ok) for hit in hits] == [
        ("/async", 200, 2, 1), ("/plain", 200, 2, 2)
    ]  # fmt: skip
    assert hits[0].calls_failed == 1


def test_what_weft_answers_stands_in_the_line(hits):
    """The 504 of a late request, and the 503 of a refused one, are in the line as they are sent."""

    async def late(scope, receive, send):
        raise weft.DeadlineExceeded

    async def full(scope, receive, send):
        raise weft.Overloaded("full")

    for app, status in ((late, 504), (full, 503)):
        sent, _ = asyncio.run(speak(Weft(app, access_log="json")))
        assert hits.pop().status == sent[0]["status"] == status


def test_an_error_in_fastapi(hits, client_of):
    """An endpoint that raises is answered 500 by the framework; the line says so, and for what."""
    api = FastAPI()
    api.add_middleware(Weft, access_log="json")

    @api.get("/")
    def view():
        raise KeyError("x")

    assert asyncio.run(client_of(api).get()).status == 500
    assert [(hit.status, hit.error) for hit in hits] == [(500, "KeyError")]


def test_behind_other_middleware(hits, client_of):
    """Starlette's own middleware runs the app in another task: the line is the same, and comes once."""

    async def stream():
        yield b"12"
        yield b"34"

    async def view(request):
        await weft.map(asyncio.sleep, [0])
        return StreamingResponse(stream())

    async def dispatch(request, call_next):
        return await call_next(request)

    app = Starlette(routes=[Route("/", view)])
    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    app.add_middleware(AccessLog, format="json")
    assert asyncio.run(client_of(app).get()).body == b"1234"
    assert [(hit.bytes, hit.calls) for hit in hits] == [(4, 1)]


def test_background_tasks_come_after_the_line(hits, client_of):
    """Background tasks have the request's id, and their calls are not in its line."""
    api, seen = FastAPI(), []
    api.add_middleware(Weft, access_log="json")

    async def later():
        seen.append((len(hits), fields()["request_id"]))
        await weft.map(asyncio.sleep, [0])

    @api.get("/")
    def view(tasks: BackgroundTasks):
        tasks.add_task(later)

    asyncio.run(client_of(api).get())
    assert (seen, hits[0].calls) == ([(1, hits[0].request_id)], 0)


def test_a_file_response_lifts_the_deadline(tmp_path):
    """A path sent to the server is the whole answer: a client that leaves after it does not cancel what comes then."""
    (tmp_path / "x").write_bytes(b"12")
    outcomes = []

    async def later():
        outcomes.extend(await weft.map(asyncio.sleep, [0]))

    async def app(scope, receive, send):
        await FileResponse(tmp_path / "x")(scope, receive, send)
        await receive()
        await later()

    asyncio.run(speak(Weft(app), GONE, extensions={"http.response.pathsend": {}}))
    assert [outcome.ok for outcome in outcomes] == [True]


def test_a_websocket_in_starlette(hits):
    """An endpoint of Starlette's, under weft."""

    async def endpoint(websocket):
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/", endpoint), Route("/http", PlainTextResponse)])
    app.add_middleware(Weft, access_log="json")
    asyncio.run(speak(app, {"type": "websocket.connect"}, kind="websocket"))
    assert (hits[0].status, hits[0].bytes) == (101, 5)
