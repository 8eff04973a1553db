"""weft as ASGI middleware, alone and in FastAPI and Starlette."""

import asyncio
import threading
from contextvars import Context, ContextVar

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

import weft
from weft.adapters.asgi import Weft, weft_deadline
from weft.adapters.asgi_incoming import Incoming
from weft.scopes.current import current
from weft.testing import faults

HEAD = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.fixture
def api():
    app = FastAPI()
    app.add_middleware(Weft, deadline=10.0)
    return app


async def respond(text, send):
    await send(HEAD)
    await send({"type": "http.response.body", "body": text.encode()})


async def remaining(scope, receive, send):
    await respond(str(weft.remaining()), send)


async def refuse(*_):
    raise weft.Overloaded("limit 'x' is full", retry_after=2.4)


async def refuse_view():
    await refuse()


async def endless(*_):
    await asyncio.Event().wait()


def ask(client_of, app, path="/"):
    return asyncio.run(client_of(app).get(path))


# -- installing


def test_it_wraps_any_asgi_app(client_of):
    """`Weft(app, deadline=10.0)` gives each request a scope, whose deadline counts from the request's beginning."""
    assert 9.0 < float(ask(client_of, Weft(remaining)).body) <= 10.0
    assert 4.0 < float(ask(client_of, Weft(remaining, deadline=5.0)).body) <= 5.0
    assert ask(client_of, Weft(remaining, deadline=None)).body == b"None"


def test_one_line_installs_it_in_fastapi(client_of, api):
    """`app.add_middleware(Weft, deadline=10.0)` does, in FastAPI and in Starlette."""
    api.add_api_route("/", weft.remaining)
    starlette = Starlette(routes=[Route("/", remaining_in_starlette)])
    starlette.add_middleware(Weft, deadline=10.0)
    for app in (api, starlette):
        assert 9.0 < float(ask(client_of, app).body) <= 10.0


async def remaining_in_starlette(_request):
    return PlainTextResponse(str(weft.remaining()))


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan")])
def test_an_impossible_deadline_is_told_at_once(wrong):
    """A deadline that leaves no time is refused where it is written."""
    with pytest.raises(weft.InvalidValue):
        Weft(endless, deadline=wrong)


# -- the scope of a request


def test_calls_run_on_the_servers_own_loop(client_of):
    """Async calls of an async endpoint run on the server's loop, and no second loop is made."""

    async def app(scope, receive, send):
        async with weft.scope() as inner:
            task = inner.start(here)
        await respond(str((await task) is asyncio.get_running_loop()), send)

    async def here():
        return asyncio.get_running_loop()

    assert ask(client_of, Weft(app)).body == b"True"
    assert weft.statistics().loops == 0  # the server's has been closed, and there was no other


def test_plain_endpoints_use_the_servers_loop(client_of, api):
    """A plain `def` endpoint, which runs on a thread, inherits the deadline; its `with weft.scope()` uses that loop."""

    async def here():
        return asyncio.get_running_loop()

    async def server_loop():
        return asyncio.get_running_loop()

    @api.get("/")
    def view(loop=Depends(server_loop)):  # noqa: B008 - FastAPI's own way
        with weft.scope() as inner:
            task = inner.start(here)
        return [task.result() is loop, threading.current_thread() is not threading.main_thread(), weft.remaining() > 9]

    assert ask(client_of, api).json == [True, True, True]


def test_a_scope_ends_with_its_request(client_of):
    """After a request, whatever came of it, no scope is left behind in the server's context."""

    async def serve():
        seen = []
        for app in (remaining, refuse):
            await client_of(Weft(app)).get()
            seen.append(current.get())
        return seen

    assert asyncio.run(serve()) == [None, None]


def test_requests_at_once_have_scopes_of_their_own(client_of):
    """Requests that run at the same time on one loop each have their own scope."""
    seen = []

    async def app(scope, receive, send):
        seen.append(current.get())
        mine = current.get()
        await asyncio.sleep(0)
        assert current.get() is mine
        await respond("", send)

    async def serve():
        await asyncio.gather(*(client_of(Weft(app)).get() for _ in range(20)))

    asyncio.run(serve())
    assert len(set(map(id, seen))) == 20


def test_a_request_that_starts_nothing_makes_nothing(client_of):
    """Requests that use nothing of weft make no core, and share one timer."""
    seen, timers = [], []

    async def app(scope, receive, send):
        await respond("", send)
        seen.append(current.get()._core)

    async def serve():
        loop = asyncio.get_running_loop()
        later = loop.call_later
        loop.call_later = lambda *args, **kwargs: timers.append(args) or later(*args, **kwargs)
        client = client_of(Weft(app))
        for _ in range(3):
            await client.get()

    asyncio.run(serve())
    assert seen == [None] * 3
    assert len(timers) == 1


def test_each_of_many_late_requests_is_cut_at_its_own_deadline(client_of):
    """Whatever order their deadlines come in, each request is cut short at its own, and one in time is not."""
    waits = {"/1": 0.1, "/2": 0.05, "/3": 0.15}

    async def app(scope, receive, send):
        await weft_deadline(waits.get(scope["path"]))(endless if scope["path"] in waits else remaining)(
            scope, receive, send
        )

    async def serve():
        async def took(path):
            answer = await client.get(path)
            return answer.status, loop.time() - began

        loop = asyncio.get_running_loop()
        client, began = client_of(Weft(app)), loop.time()
        return await asyncio.gather(*map(took, (*waits, "/4")))

    *late, fine = asyncio.run(serve())
    assert fine[0] == 200
    for (status, took), wait in zip(late, waits.values(), strict=True):
        assert status == 504
        assert wait <= took < wait + 0.05


def test_work_that_outlives_its_request_is_cancelled(client_of):
    """What a task of the app's own has under way in a scope, and what it begins later, ends with the request."""
    tasks, begun = [], asyncio.Event()

    async def outliving():
        for _ in range(2):
            async with weft.scope(join="settled") as inner:
                tasks.append(inner.start(asyncio.Event().wait))
                begun.set()

    async def app(scope, receive, send):
        seen.append(asyncio.create_task(outliving()))
        await begun.wait()
        await respond("", send)

    async def serve():
        await client_of(Weft(app)).get()
        await asyncio.wait_for(seen[0], 5)

    seen = []
    asyncio.run(serve())
    assert [type(task.outcome) for task in tasks] == [weft.Cancelled, weft.Cancelled]


def test_a_scope_that_comes_after_its_request_is_cancelled(client_of):
    """A task of the app's own that begins with weft only after the request is over is cancelled there."""

    async def late():
        await over.wait()
        async with weft.scope(join="settled") as inner:
            tasks.append(inner.start(asyncio.Event().wait))

    async def app(scope, receive, send):
        seen.append(asyncio.create_task(late()))
        await respond("", send)

    async def serve():
        await client_of(Weft(app)).get()
        over.set()
        await asyncio.wait_for(seen[0], 5)

    seen, tasks, over = [], [], asyncio.Event()
    asyncio.run(serve())
    assert isinstance(tasks[0].outcome, weft.Cancelled)


# -- deadlines


@pytest.mark.parametrize("kind", ["plain ASGI", "FastAPI"])
def test_an_endpoint_that_is_late_is_cut_short(client_of, api, kind):
    """An async endpoint that is not done by the deadline is cancelled, and answered with 504 within 50 ms of it."""
    api.add_api_route("/", weft_deadline(0.1)(endless_view))
    app = api if kind == "FastAPI" else Weft(endless, deadline=0.1)

    async def serve():
        await client_of(api).get("/openapi.json")  # what is lazily made, is made
        began = asyncio.get_running_loop().time()
        return await client_of(app).get(), asyncio.get_running_loop().time() - began

    answer, took = asyncio.run(serve())
    assert (answer.status, answer.headers["content-type"]) == (504, "application/problem+json")
    assert "0.1 s" in answer.json["detail"]
    assert 0.1 <= took < 0.15


async def endless_view():
    await asyncio.Event().wait()


def test_a_plain_endpoint_that_is_late_is_answered_without_it(client_of, api):
    """A `def` endpoint stuck in a blocking call is answered with 504 at the deadline; its thread ends by itself."""
    stuck = threading.Event()
    api.add_api_route("/", weft_deadline(0.05)(lambda: stuck.wait(5)))
    timer = threading.Timer(0.3, stuck.set)
    timer.start()
    assert ask(client_of, api).status == 504
    stuck.set()
    timer.join()


def test_an_endpoint_may_answer_with_what_it_has(client_of):
    """At the deadline calls end first: an endpoint has 20 ms to answer with the outcomes it has."""

    async def app(scope, receive, send):
        outcomes = await weft.map(asyncio.Event.wait, [asyncio.Event(), done])
        await respond(" ".join(type(outcome).__name__ for outcome in outcomes), send)

    done = asyncio.Event()
    done.set()
    answer = ask(client_of, Weft(app, deadline=0.05))
    assert (answer.status, answer.body) == (200, b"TimedOut Ok")


@pytest.mark.parametrize("seconds", [2.0, 60.0, None])
@pytest.mark.parametrize("plain", [False, True])
def test_an_endpoint_may_choose_its_deadline(client_of, api, seconds, plain):
    """`@weft_deadline` makes the deadline shorter, longer or none, in `def` and `async def` endpoints alike."""

    @weft_deadline(seconds)
    async def view():
        return weft.remaining()

    api.add_api_route("/", weft_deadline(seconds)(lambda: weft.remaining()) if plain else view)  # noqa: PLW0108
    found = ask(client_of, api).json
    assert found is None if seconds is None else seconds - 1 < found <= seconds


def test_a_longer_deadline_keeps_the_endpoint_from_being_cut(client_of):
    """An endpoint that has chosen a longer deadline is not cut short at the app's."""

    @weft_deadline(None)
    async def app(scope, receive, send):
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, passed.set)
        await passed.wait()
        await respond("done", send)

    assert ask(client_of, Weft(app, deadline=0.02)).body == b"done"


def test_the_deadline_covers_the_answer_to_its_last_byte(client_of):
    """A body that is streamed beyond the deadline is cut off: the server closes the connection."""

    async def app(scope, receive, send):
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        await asyncio.Event().wait()

    answer = ask(client_of, Weft(app, deadline=0.02))
    assert (answer.status, answer.body) == (200, b"some")
    assert isinstance(answer.error, weft.DeadlineExceeded)


def test_background_tasks_are_not_bounded(client_of, api):
    """What runs after the last byte, as FastAPI's background tasks do, has no deadline and is not cut short."""
    seen = []

    async def later():
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, passed.set)
        await passed.wait()
        seen.append((weft.remaining(), await weft.to_thread(int, "7")))

    @api.get("/")
    @weft_deadline(0.05)
    async def view(tasks: BackgroundTasks):
        tasks.add_task(later)

    assert ask(client_of, api).status == 200
    assert seen == [(None, 7)]


def test_background_tasks_under_other_middleware_are_not_bounded_either(client_of, api):
    """The same holds where `@app.middleware("http")` runs the app in a task of its own."""
    seen = []

    @api.middleware("http")
    async def other(request, call_next):
        return await call_next(request)

    api.user_middleware.reverse()  # weft outside

    async def later():
        seen.append((weft.remaining(), await weft.to_thread(int, "7")))

    @api.get("/")
    async def view(tasks: BackgroundTasks):
        tasks.add_task(later)

    assert ask(client_of, api).status == 200
    assert seen == [(None, 7)]


def test_a_late_endpoint_under_other_middleware_is_504(client_of, api):
    """An endpoint behind `@app.middleware("http")` is cut short as well."""

    @api.middleware("http")
    async def other(request, call_next):
        return await call_next(request)

    api.user_middleware.reverse()  # weft outside
    api.add_api_route("/", weft_deadline(0.05)(endless_view))
    assert ask(client_of, api).status == 504


# -- answers


def test_overload_is_answered_with_503(client_of, api):
    """`Overloaded` that leaves an endpoint is an answer 503 with `Retry-After`, in application/problem+json."""
    api.add_api_route("/", refuse_view)
    for app in (api, Weft(refuse)):
        answer = ask(client_of, app)
        assert (answer.status, answer.headers["retry-after"]) == (503, "3")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["title"] == "Service Unavailable"


def test_overload_in_a_group_is_answered_with_503(client_of, api):
    """A full limit that a strict join reports as a group is an answer 503, too."""

    @api.get("/")
    async def view():
        weft.limit("narrow", 1, waiting=0)
        async with weft.scope() as scope:
            for _ in range(2):
                scope.start(weft.call(endless_view).using(limit="narrow"))

    assert ask(client_of, api).status == 503


def test_lateness_is_answered_with_504(client_of, api):
    """`DeadlineExceeded` of an inner scope that leaves an endpoint is an answer 504."""

    @api.get("/")
    def view():
        with weft.scope(deadline=0.02) as scope:
            scope.start(endless_view)

    assert ask(client_of, api).status == 504


def test_the_apps_own_handler_comes_first(client_of, api):
    """An exception handler of FastAPI or Starlette for these exceptions is asked instead."""
    api.add_exception_handler(weft.Overloaded, lambda _request, _error: PlainTextResponse("own", 418))
    api.add_api_route("/", refuse_view)
    assert ask(client_of, api).status == 418


def test_a_handler_for_everything_comes_after(client_of, api):
    """A handler for `Exception`, which Starlette keeps outside of all middleware, does not hide overload."""
    api.add_exception_handler(Exception, lambda _request, _error: PlainTextResponse("own", 418))

    @api.get("/{kind}")
    async def view(kind: str):
        raise {"full": weft.Overloaded("full"), "other": ValueError("x")}[kind]

    assert ask(client_of, api, "/full").status == 503
    assert ask(client_of, api, "/other").status == 418


def test_an_answer_that_has_begun_is_left_to_the_server(client_of):
    """Overload after the first byte goes on to the server, which closes the connection: no second answer is sent."""

    async def app(scope, receive, send):
        await send(HEAD)
        await refuse()

    answer = ask(client_of, Weft(app))
    assert answer.status == 200
    assert isinstance(answer.error, weft.Overloaded)


def test_other_errors_are_left_to_the_server(client_of):
    """Anything else goes on as it was raised, mixed groups too."""
    for error in (ValueError("x"), ExceptionGroup("mixed", [weft.Overloaded("full"), ValueError("x")])):

        async def app(scope, receive, send, error=error):
            raise error

        assert ask(client_of, Weft(app)).error is error


# -- clients that go away


def test_a_client_that_is_gone_takes_its_calls_with_it(client_of):
    """An app that only waits for its calls need not ask: they are cancelled, and the server is told 499."""
    seen = []

    async def app(scope, receive, send):
        async with weft.scope() as inner:
            seen.append(inner.start(asyncio.Event().wait))
            client.gone.set()

    async def serve():
        nonlocal client
        client = client_of(Weft(app))
        return await client.get()

    client = None
    answer = asyncio.run(serve())
    assert isinstance(seen[0].outcome, weft.Cancelled)
    assert (answer.status, answer.error) == (499, None)


def test_middleware_outside_has_an_answer_when_the_client_is_gone(client_of):
    """Starlette's `BaseHTTPMiddleware` takes an app that answers nothing for broken."""
    api = FastAPI()
    api.add_middleware(Weft)

    @api.middleware("http")
    async def outside(request, call_next):
        return await call_next(request)

    @api.get("/")
    async def endpoint():
        async with weft.scope() as inner:
            inner.start(asyncio.Event().wait)
            client.gone.set()

    async def serve():
        nonlocal client
        client = client_of(api)
        return await client.get()

    client = None
    assert asyncio.run(serve()).error is None


def test_messages_are_taken_ahead_in_the_context_of_the_middleware_outside(client_of):
    """A `receive` that looks at its middleware's variables finds them, and the request's own are let go of."""
    whose = ContextVar("whose")
    seen = []

    async def app(scope, receive, send):
        async with weft.scope() as inner:
            inner.start(asyncio.Event().wait)
            client.gone.set()

    async def outside(scope, receive, send):
        async def looking():
            seen.append((whose.get(), weft.remaining()))
            return await receive()

        whose.set("outside")
        await Weft(app)(scope, looking, send)

    async def serve():
        nonlocal client
        client = client_of(outside)
        return await client.get()

    client = None
    assert asyncio.run(serve()).status == 499
    assert set(seen) == {("outside", None)}


@pytest.mark.parametrize(("length", "listens"), [(b"0", True), (b"2", False)])
def test_a_body_of_no_bytes_is_none(length, listens):
    """`Content-Length: 0`, as browsers send it with a POST, announces nothing that the app might still want."""
    gone = []

    async def receive():
        return {"type": "http.disconnect"}

    async def main():
        incoming = Incoming(receive, [(b"content-length", length)], lambda: gone.append(True), Context())
        incoming.listen()
        for _ in range(5):
            await asyncio.sleep(0)
        incoming.close()

    asyncio.run(main())
    assert bool(gone) is listens


def test_a_broken_receive_is_met_by_whoever_asks(client_of):
    """What the server raises ahead of the app's asking is not kept: the app gets the server's own answer."""
    asked = []

    async def app(scope, receive, send):
        async with weft.scope() as inner:
            inner.start(until_asked)
        await send(HEAD)
        await send({"type": "http.response.body", "body": (await receive())["body"]})

    async def until_asked():
        while not asked:
            await asyncio.sleep(0)

    async def outside(scope, receive, send):
        async def flaky():
            asked.append(1)
            if len(asked) == 1:
                raise ConnectionError("once")
            return {"type": "http.request", "body": b"all", "more_body": False}

        await Weft(app)(scope, flaky, send)

    assert ask(client_of, outside).body == b"all"


def test_other_errors_of_an_app_whose_client_is_gone_are_told(client_of):
    """What the app raises besides is an error of its own, and left to the server."""

    async def app(scope, receive, send):
        with pytest.raises(weft.TaskCancelled):
            async with weft.scope() as inner:
                inner.start(asyncio.Event().wait)
                client.gone.set()
        raise ValueError("x")

    async def serve():
        nonlocal client
        client = client_of(Weft(app))
        return await client.get()

    client = None
    assert isinstance(asyncio.run(serve()).error, ValueError)


def test_a_stream_to_a_client_that_is_gone_is_cancelled(client_of):
    """Starlette's streaming answers listen for the client by themselves: its leaving cancels the calls."""
    seen = []

    async def body():
        async with weft.scope(join="settled") as inner:
            seen.append(inner.start(asyncio.Event().wait))
            yield b"some"
            client.gone.set()

    async def app(scope, receive, send):
        await receive()
        await StreamingResponse(body())(scope, receive, send)

    async def serve():
        nonlocal client
        client = client_of(Weft(app))
        await client.get()

    client = None
    asyncio.run(serve())
    assert isinstance(seen[0].outcome, weft.Cancelled)


def test_a_disconnect_after_the_answer_is_no_news(client_of):
    """A client that goes away after the last byte cancels nothing: background work goes on."""
    seen = []

    async def app(scope, receive, send):
        await respond("", send)
        async with weft.scope() as inner:
            go_on = asyncio.Event()
            task = inner.start(go_on.wait)
            await receive()
            client.gone.set()
            await receive()
            go_on.set()
        seen.append(task.outcome)

    async def serve():
        nonlocal client
        client = client_of(Weft(app))
        await client.get(raising=True)

    client = None
    asyncio.run(serve())
    assert seen == [weft.Ok(True)]


def test_a_client_that_is_gone_does_not_take_the_deadline_with_it(client_of):
    """An endpoint that goes on although its client has gone is cut short at the deadline like any other."""

    async def app(scope, receive, send):
        await receive()
        client.gone.set()
        await receive()
        await asyncio.wait_for(asyncio.Event().wait(), 5)

    async def serve():
        nonlocal client
        client = client_of(Weft(app, deadline=0.05))
        return await client.get()

    client = None
    assert asyncio.run(serve()).status == 504


# -- other kinds of connections


def test_websockets_have_a_scope_without_deadline(client_of):
    """A websocket runs in a scope that has no deadline."""
    seen = []

    async def app(scope, receive, send):
        seen.append((current.get() is not None, weft.remaining()))

    asyncio.run(client_of(Weft(app)).get(root="websocket"))
    assert seen == [(True, None)]


def test_the_lifespan_is_passed_through(client_of):
    """Start-up and shut-down reach the app, and its answers the server; what runs there has no scope."""
    asked = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    told = []

    async def app(scope, receive, send):
        assert current.get() is None
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})

    async def receive():
        return asked.pop(0)

    async def send(message):
        told.append(message["type"])

    asyncio.run(Weft(app)({"type": "lifespan"}, receive, send))
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_the_servers_end_closes_the_connections_of_its_loop():
    """At shutdown, after the app's own, the HTTP engine of the server's loop is closed, and its connections with it."""
    asked = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    seen = []

    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        seen.append((await weft.http.get(upstream.url + "/ok")).status_code)
        await receive()
        seen.append(upstream.open_connections)  # the app may still call while it shuts down
        await send({"type": "lifespan.shutdown.complete"})

    async def receive():
        return asked.pop(0)

    async def send(message):
        if message["type"] == "lifespan.shutdown.complete":
            upstream.wait_closed()
            seen.append(upstream.open_connections)

    with faults.server() as upstream:
        asyncio.run(Weft(app)({"type": "lifespan"}, receive, send))
    assert seen == [200, 1, 0]


def test_unknown_kinds_are_passed_through():
    """A kind of connection that weft does not know goes to the app untouched."""
    seen = []

    async def app(*parts):
        seen.append(parts)

    asyncio.run(Weft(app)({"type": "new"}, 1, 2))
    assert seen == [({"type": "new"}, 1, 2)]
