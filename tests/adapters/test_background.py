"""FastAPI's background tasks as durable jobs."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import weft
from weft.adapters.asgi import Weft
from weft.adapters.background import BackgroundTasks, DurableTasks
from weft.testing.jobs import job_store

sys.path.insert(0, str(Path(__file__).parents[1] / "jobs"))

import chores


@pytest.fixture
def store():
    with job_store() as made:
        yield made


@pytest.fixture
def ask(client_of):
    return lambda app, path="/": asyncio.run(client_of(app).get(path))


@pytest.fixture(params=["with the middleware", "without"])
def shop(request):
    app = FastAPI()
    if request.param == "with the middleware":
        app.add_middleware(Weft)

    @app.get("/async/{word}")
    async def in_async(word: str, tasks: BackgroundTasks):
        return {"uid": tasks.add_task(chores.note, word).uid}

    @app.get("/sync/{word}")
    def in_thread(word: str, tasks: BackgroundTasks):
        tasks.add_task(chores.note, word=word)
        return {}

    @app.get("/plain")
    async def plain(tasks: BackgroundTasks):
        tasks.add_task(print, "x")

    return app


@pytest.mark.parametrize("path", ["/async/a", "/sync/a"])
def test_a_task_is_a_job(store, ask, shop, path):
    """It is stored with its arguments, and a worker does it."""
    assert ask(shop, path).status == 200
    (record,) = store.enqueued(chores.note)
    assert record.arguments == '{"word":"a"}'
    store.drain()
    assert store.enqueued(state=weft.jobs.State.COMPLETED) != []


def test_a_job_is_stored_before_the_answer_begins(store, ask, shop, monkeypatch):
    """The answer waits for the disk: whoever has read it can rely on the job."""
    let_go, order = threading.Event(), []
    change = weft.jobs.stores.store().enqueue

    class Slow:
        def __init__(self, inner):
            self.inner = inner

        def wait(self):
            let_go.wait(10)
            order.append("stored")
            return self.inner.wait()

    monkeypatch.setattr(weft.jobs.stores.store(), "enqueue", lambda entries: Slow(change(entries)))

    async def app(scope, receive, send):
        async def noted(message):
            if message["type"] == "http.response.start":
                order.append("answered")
            await send(message)

        await shop(scope, receive, noted)

    timer = threading.Timer(0.1, let_go.set)
    timer.start()
    assert ask(app, "/async/a").status == 200
    timer.join()
    assert order == ["stored", "answered"]


def test_a_job_that_cannot_be_stored_is_an_answer_500(store, ask, shop, monkeypatch):
    """The client is not told that all is well."""

    class Full:
        def wait(self):
            raise weft.jobs.StoreError("disk full")

    monkeypatch.setattr(weft.jobs.stores.store(), "enqueue", lambda _entries: Full())
    answer = ask(shop, "/async/a")
    assert (answer.status, type(answer.error)) == (500, weft.jobs.StoreError)


def test_what_is_no_job_is_refused(store, ask, shop):
    """It would die with the process; the error says what to write."""
    told = str(ask(shop, "/plain").error)
    assert "print is no job, and would die with the process: write @weft.job above it" in told


def test_without_the_middleware_a_response_that_has_them_stores_them(store, ask):
    """In Starlette they are made of the request, and given to the response as its background."""

    async def view(request: Request):
        tasks = DurableTasks(request)
        tasks.add_task(chores.note, "a")
        return PlainTextResponse("", background=tasks)

    assert ask(Starlette(routes=[Route("/", view)])).status == 200
    assert [record.arguments for record in store.enqueued(chores.note)] == ['{"word":"a"}']
