"""Starlette's and FastAPI's own thread pool on weft's executor."""

import asyncio
import contextvars
import threading

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.exceptions import StarletteDeprecationWarning

import weft
from weft.adapters.asgi import Weft
from weft.adapters.threadpool import adopt
from weft.runtime.process import runtime

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(autouse=True)
def adopted(monkeypatch):
    monkeypatch.setattr(anyio.to_thread, "run_sync", anyio.to_thread.run_sync)
    adopt()


@pytest.fixture
def api():
    app = FastAPI()
    app.add_middleware(Weft, deadline=10.0)
    return app


def thread_name():
    return threading.current_thread().name


async def get_many(client_of, app, *paths):
    return await asyncio.gather(*(client_of(app).get(path) for path in paths))


def waiting():
    return sum(limit.queued for limit in weft.statistics().limits if limit.name == "threadpool")


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


def test_plain_endpoints_and_their_dependencies_run_on_weft_s_threads(client_of, api):
    """One call of `adopt`, and whatever FastAPI runs on threads is one of weft's calls, seen by its name."""
    names_here = Depends(thread_name)
    api.add_api_route("/", lambda own=names_here: [own, thread_name()])
    names = asyncio.run(client_of(api).get()).json
    assert names[0].startswith("weft-")
    assert names[0].endswith("thread_name")
    assert names[1].startswith("weft-")


def test_a_second_time_does_nothing():
    """`adopt` twice is `adopt` once: the calls pass through one layer."""
    first = anyio.to_thread.run_sync
    adopt()
    assert anyio.to_thread.run_sync is first


def test_more_than_forty_run_at_once(client_of, api):
    """As many endpoints block at once as weft has threads; Starlette lets 40 of them begin."""
    weft.configure(threads=60)
    together = threading.Barrier(60)
    api.add_api_route("/", lambda: together.wait(30) >= 0)
    answers = asyncio.run(get_many(client_of, api, *["/"] * 60))
    assert {answer.body for answer in answers} == {b"true"}


def test_an_endpoint_inherits_what_belongs_to_its_request(client_of, api):
    """The request's deadline and the app's own context variables are there in the thread, and end with the call."""
    whose = contextvars.ContextVar("whose", default="nobody's")

    async def mine():
        whose.set("mine")

    def see():
        seen = whose.get()
        whose.set("changed")
        return [seen, weft.remaining()]

    api.add_api_route("/mine", see, dependencies=[Depends(mine)])
    api.add_api_route("/other", see)
    mine, other = asyncio.run(get_many(client_of, api, "/mine", "/other"))
    assert mine.json[0] == "mine"
    assert other.json[0] == "nobody's"
    assert 9.0 < mine.json[1] <= 10.0


def test_a_full_queue_is_answered_503(client_of, api):
    """Where Starlette queues without a bound, the request that finds no room is refused and told when to come again."""
    weft.configure(threads=1, thread_queue=1)
    gate = threading.Event()
    api.add_api_route("/", lambda: gate.wait(30))

    async def main():
        taken = [asyncio.create_task(client_of(api).get()) for _ in range(2)]
        await until(lambda: waiting() == 1)
        refused = await client_of(api).get()
        gate.set()
        return refused, await asyncio.gather(*taken)

    refused, taken = asyncio.run(main())
    assert refused.status == 503
    assert "retry-after" in refused.headers
    assert [answer.body for answer in taken] == [b"true", b"true"]


def test_endpoints_that_wait_for_calls_count_as_well(client_of, api):
    """Workers that wait for weft's calls lend their slots to them, and not to further endpoints: threads stay few."""
    weft.configure(threads=3)
    api.add_api_route("/", lambda: weft.run(asyncio.sleep, 0.001))
    answers = asyncio.run(get_many(client_of, api, *["/"] * 50))
    assert {answer.status for answer in answers} == {200}
    assert runtime().threads.statistics().spawned <= 2 * 3  # three that wait, three awake


def test_what_comes_after_the_answer_is_never_refused(client_of, api):
    """A background task of a request that has its answer runs, however full the queue is."""
    weft.configure(threads=1, thread_queue=1)
    gate, done = threading.Event(), []
    api.add_api_route("/full", lambda: gate.wait(30))

    async def promise(background: BackgroundTasks):
        background.add_task(done.append, "kept")

    api.add_api_route("/promise", promise)

    async def main():
        full = [asyncio.create_task(client_of(api).get("/full")) for _ in range(2)]
        await until(lambda: waiting() == 1)
        promised = asyncio.create_task(client_of(api).get("/promise"))
        await until(lambda: runtime().threads.statistics().queued == 1)
        gate.set()
        return await asyncio.gather(promised, *full)

    assert [answer.status for answer in asyncio.run(main())] == [200, 200, 200]
    assert done == ["kept"]


def test_a_call_that_is_stuck_gives_its_slot_back(client_of, api):
    """When a request is cut short at its deadline, the thread that it leaves behind is not one less for the others."""
    weft.configure(threads=1)
    gate = threading.Event()
    hasty = FastAPI()
    hasty.add_middleware(Weft, deadline=0.01)
    hasty.add_api_route("/", lambda: gate.wait(30))
    api.add_api_route("/", lambda: "served")

    async def main():
        return await client_of(hasty).get(), await client_of(api).get()

    late, served = asyncio.run(main())
    assert late.status == 504
    assert served.json == "served"
    assert runtime().threads.statistics().abandoned == 1
    gate.set()


def test_a_call_whose_request_has_ended_in_the_queue_never_runs(client_of):
    """A request that is cut short while its call waits for a thread takes the call back."""
    weft.configure(threads=1)
    gate, ran = threading.Event(), []
    hasty = FastAPI()
    hasty.add_middleware(Weft, deadline=0.01)
    hasty.add_api_route("/", lambda: ran.append("late"))

    async def main():
        blocked = asyncio.create_task(weft.to_thread(gate.wait, 30))
        await until(lambda: runtime().threads.statistics().running == 1)
        late = await client_of(hasty).get()
        gate.set()
        await blocked
        await weft.to_thread(int)  # the only thread has been through its queue
        return late

    assert asyncio.run(main()).status == 504
    assert ran == []


def test_a_cancelled_anyio_scope_waits_for_the_thread():
    """Anyio's promise: without `abandon_on_cancel`, a call is not left alone when the scope around it is cancelled."""
    gate, ended = threading.Event(), []

    def slow():
        gate.wait(30)
        ended.append("slow")

    async def main():
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.to_thread.run_sync, slow)
                await until(lambda: runtime().threads.statistics().running == 1)
                scope.cancel()
                gate.set()
        ended.append("scope")
        with scope:
            await anyio.to_thread.run_sync(ended.append, "never begun")

    anyio.run(main)
    assert ended == ["slow", "scope"]


def test_a_call_that_waits_for_a_slot_can_be_cancelled():
    """Anyio's promise as well: what has not begun is let go of at once, and is never made."""
    weft.configure(threads=1)
    gate, ran = threading.Event(), []

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, gate.wait, 30)
            await until(lambda: runtime().threads.statistics().running == 1)
            for occupied in (lambda: waiting() == 1, lambda: runtime().threads.statistics().queued == 1):
                async with anyio.create_task_group() as inner:
                    inner.start_soon(anyio.to_thread.run_sync, ran.append, "never")
                    await until(occupied)
                    inner.cancel_scope.cancel()
                assert not ran
                weft.limit("threadpool", 2)
            gate.set()

    anyio.run(main)
    assert not ran


def test_background_tasks_are_never_refused_in_scopes_of_their_own(client_of, api):
    """The request has been answered, however many scopes are between it and the call."""
    weft.configure(threads=1, thread_queue=1)
    ran, gate = [], threading.Event()

    async def later():
        async with weft.scope() as scope:
            scope.start(gate.wait, 30)
            await until(lambda: runtime().threads.statistics().running == 1)
            scope.start(gate.wait, 30)
            await until(lambda: runtime().threads.statistics().queued == 1)
            asyncio.get_running_loop().call_soon(gate.set)
            await anyio.to_thread.run_sync(ran.append, "ran")

    @api.get("/")
    async def endpoint(tasks: BackgroundTasks):
        tasks.add_task(later)

    answer = asyncio.run(client_of(api).get())
    assert (answer.status, answer.error, ran) == (200, None, ["ran"])


def test_a_thread_can_call_back_into_the_loop():
    """`anyio.from_thread` runs functions and coroutines on the loop, and tells of a cancelled scope, as ever."""

    def in_thread():
        anyio.from_thread.run(anyio.sleep, 0)
        anyio.from_thread.check_cancelled()
        return anyio.from_thread.run_sync(threading.get_ident)

    async def main():
        assert await anyio.to_thread.run_sync(in_thread) == threading.get_ident()
        with anyio.CancelScope() as scope, pytest.raises(asyncio.CancelledError):
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.to_thread.run_sync, check_after_cancel, scope)

    def check_after_cancel(scope):
        anyio.from_thread.run_sync(scope.cancel)
        anyio.from_thread.check_cancelled()

    anyio.run(main)


def test_a_thread_may_run_a_loop_of_its_own():
    """As in anyio's own threads, `anyio.run` works there, whatever runs the loop outside."""

    async def main():
        return await anyio.to_thread.run_sync(anyio.run, anyio.sleep, 0)

    anyio.run(main)


def test_a_wsgi_app_inside_works(client_of, api):
    """Starlette's WSGI middleware, which speaks to its client through `anyio.from_thread`, is served as before."""
    with pytest.warns(StarletteDeprecationWarning):
        from starlette.middleware.wsgi import WSGIMiddleware

    def wsgi(_environ, start_response):
        start_response("200 OK", [("content-type", "text/plain")])
        return [thread_name().split("-")[0].encode()]

    api.mount("/old", WSGIMiddleware(wsgi))
    assert asyncio.run(client_of(api).get("/old/", raising=True)).body == b"weft"


def test_errors_come_out_as_they_went_in():
    """What a function raises is raised where it was awaited; StopIteration as the RuntimeError that asyncio wants."""

    def fail(error):
        raise error

    async def main():
        with pytest.raises(KeyError, match="lost"):
            await anyio.to_thread.run_sync(fail, KeyError("lost"))
        with pytest.raises(RuntimeError, match="StopIteration"):
            await anyio.to_thread.run_sync(fail, StopIteration())

    asyncio.run(main())


def test_calls_with_a_limiter_of_their_own_stay_with_anyio():
    """Whoever brings a limiter, or wants to abandon, has chosen anyio's threads."""

    async def main():
        limited = await anyio.to_thread.run_sync(thread_name, limiter=anyio.CapacityLimiter(1))
        abandonable = await anyio.to_thread.run_sync(thread_name, abandon_on_cancel=True)
        return [limited, abandonable]

    assert asyncio.run(main()) == ["AnyIO worker thread"] * 2


def test_an_unknown_anyio_is_told(monkeypatch):
    """Where anyio's threads are not what weft knows, `adopt` says so at once and changes nothing."""
    before = anyio.to_thread.run_sync._original
    monkeypatch.setattr(anyio.to_thread, "run_sync", before)
    monkeypatch.delattr("anyio._core._eventloop.claim_worker_thread")
    with pytest.raises(weft.WeftError, match=r"anyio 4\.12 or newer"):
        adopt()
    assert anyio.to_thread.run_sync is before
