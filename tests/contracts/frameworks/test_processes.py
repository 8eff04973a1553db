"""What becomes of requests when their server ends, reloads, loses a worker, or has more clients than threads."""

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from stacks import ASYNC, GRANIAN, GUNICORN, HOST, SOON, STACKS, UVICORN, Stack, wsgi

pytestmark = pytest.mark.slow
IN_ORDER = {0, -signal.SIGTERM}  # uvicorn passes the signal on to itself when it has shut down

FLASK = (*GUNICORN, "--threads", "50", "flask_app:app")


def each(stacks):
    return pytest.mark.parametrize("stack", stacks.values(), ids=stacks)


# -- the end


DRAINING = {name: stack for name, stack in STACKS.items() if stack.drains}


@each(DRAINING)
def test_a_server_that_is_told_to_end_answers_first(serve, upstream, stack):
    """SIGTERM while calls are under way: the request is answered in full, and the server ends in order."""
    with serve(stack) as site, ThreadPoolExecutor(1) as pool:
        calls = len(upstream.received)
        asked = pool.submit(site.get, "/fan?path=/delay/1")
        upstream.wait_received(calls + 20, SOON)
        site.end()
        answer = asked.result(SOON)
        assert (answer.status, answer.json) == (200, {"answered": 20})
        assert site.server.wait() in IN_ORDER


@each(DRAINING)
def test_an_upstream_that_hangs_does_not_hold_the_end(serve, upstream, stack):
    """SIGTERM while calls wait for a silent upstream: the request is answered by its deadline, and the server ends."""
    with serve(stack) as site, ThreadPoolExecutor(1) as pool:
        calls = len(upstream.received)
        asked = pool.submit(site.get, "/fan?path=/silence", X_Request_Timeout="1")
        upstream.wait_received(calls + 20, SOON)
        site.end()
        assert asked.result(SOON).status == 504
        assert site.server.wait() in IN_ORDER


# -- workers


WITH_WORKERS = {
    "Flask, gunicorn sync": wsgi(*GUNICORN, "--workers", "2", "-k", "sync", "flask_app:app"),
    "Flask, gunicorn gthread": wsgi(*GUNICORN, "--workers", "2", "--threads", "8", "flask_app:app"),
    "Flask, gunicorn --preload": wsgi(*GUNICORN, "--workers", "2", "--preload", "flask_app:app"),
    "FastAPI, uvicorn": Stack((*UVICORN, "--workers", "2", "fastapi_app:app")),
    "FastAPI, granian": Stack((*GRANIAN, "--workers", "2", "--respawn-failed-workers", "fastapi_app:app")),
    "Sanic": Stack(("sanic_app.py", "PORT", "two")),
    "Django, gunicorn": wsgi(*GUNICORN, "--workers", "2", "--threads", "8", "django_app:application"),
}


@each(WITH_WORKERS)
def test_a_worker_that_is_killed(serve, upstream, stack):
    """Its requests end with a closed connection, those of the others with their answer, and the server goes on."""
    with serve(stack) as site, ThreadPoolExecutor(8) as pool:
        calls = len(upstream.received)
        asked = [pool.submit(site.get, "/fan?path=/delay/1&count=1") for _ in range(8)]
        upstream.wait_received(calls + 2, SOON)
        victim = site.get("/debug").json["pid"]
        os.kill(victim, signal.SIGKILL)
        assert {one.result(SOON).status for one in asked} <= {0, 200}
        asyncio.run(until_it_serves(site))
        answered(site, 50)
        assert victim not in {site.get("/debug").json["pid"] for _ in range(10)}


def test_workers_that_are_replaced_after_some_requests(serve):
    """`gunicorn --max-requests`: every request is answered, by one worker after the other."""
    with serve(wsgi(*GUNICORN, "--workers", "2", "--threads", "4", "--max-requests", "20", "flask_app:app")) as site:
        seen = set()
        for _ in range(10):
            answered(site, 20)
            seen.add(site.get("/debug").json["pid"])
        assert len(seen) > 2


def test_each_forked_worker_has_a_runtime_of_its_own(serve):
    """`gunicorn --preload` after weft was used in the master: each worker gets a fresh runtime, and both answer."""
    stack = wsgi(*GUNICORN, "--preload", "--workers", "2", "--threads", "32", "django_app:application")
    with serve(replace(stack, environ=(("USED_BEFORE_FORK", "1"),))) as site:
        seen, until = {}, time.monotonic() + SOON
        while len(seen) < 2 and time.monotonic() < until:
            for found in site.get_many("/debug", 8):
                seen[found.json["pid"]] = found.json
        assert len(seen) == 2
        assert all(found["forked"] and found["fresh"] for found in seen.values())
        answered(site, 20)


async def until_it_serves(site):
    """Wait until many requests in a row are answered: the system may still give some to the worker that was killed."""
    async with asyncio.timeout(SOON):
        in_a_row = 0
        while in_a_row < 20:
            status = 0
            with suppress(OSError):
                status = (await site.ask("/debug")).status
            in_a_row = in_a_row + 1 if status == 200 else 0


def answered(site, count):
    """All of so many requests at once are answered."""
    answers = site.get_many("/fan?path=/delay/0.01&count=5", count)
    assert [(answer.status, answer.json) for answer in answers] == [(200, {"answered": 5})] * count


# -- reloads


SIGNALLED = {
    "Flask, gunicorn": wsgi(*FLASK),
    "Django, gunicorn": wsgi(*GUNICORN, "--threads", "50", "django_app:application"),
}
OWN_SERVERS = {
    "Flask, its own server": wsgi("-m", "flask", "--app", "flask_app", "run", "--debug", "--port", "PORT"),
    "Django, its own server": wsgi("django_app.py", "runserver", f"{HOST}:PORT"),
}
WATCHING = OWN_SERVERS | {
    "FastAPI, uvicorn": Stack((*UVICORN, "--reload", "fastapi_app:app")),
    "Sanic": Stack(("sanic_app.py", "PORT", "reload")),
    "Django, uvicorn": Stack((*UVICORN, "--reload", "django_app:application"), ASYNC),
}


@each(SIGNALLED | WATCHING)
def test_a_reload_under_load(serve, stack):
    """Every request is answered or its connection closed, and soon all are answered by the new version."""
    with serve(stack) as site:
        statuses = asyncio.run(load_and_reload(site, watching=stack in WATCHING.values()))
        assert statuses[200] > 10
        # A framework's own server goes on while the interpreter exits, when weft's loop is closed already.
        dying = {500} if stack in OWN_SERVERS.values() else set()
        assert set(statuses) <= {0, 200} | dying
        if stack in SIGNALLED.values():
            assert set(statuses) == {200}
        answered(site, 20)


async def load_and_reload(site, *, watching):
    """Ask all the time, have the server reload, and go on until the new version has answered; statuses and counts."""
    statuses, over = {}, asyncio.Event()

    async def load():
        while not over.is_set():
            status = 0
            with suppress(OSError):  # nobody listens while a development server starts anew
                status = (await site.ask("/fan?path=/delay/0.02&count=2")).status
            statuses[status] = statuses.get(status, 0) + 1
            await asyncio.sleep(0.001 if status else 0.05)

    loads = [asyncio.create_task(load()) for _ in range(8)]
    await until(lambda: statuses.get(200, 0) > 10)
    file = site.folder / "work_of_views.py"
    file.write_text(file.read_text("utf-8").replace("VERSION = 1", "VERSION = 2"), "utf-8")
    if not watching:
        os.kill(site.server.pid, signal.SIGHUP)
    changed = time.monotonic()
    async with asyncio.timeout(SOON):
        while await version(site) != 2:
            await asyncio.sleep(0.1)
            if watching and time.monotonic() - changed > 5:
                file.touch()  # it changed before its watcher had first looked, to which that was no change
                changed = time.monotonic()
    over.set()
    await asyncio.gather(*loads)
    return statuses


async def version(site):
    with suppress(OSError):
        answer = await site.ask("/debug")
        return answer.json["version"] if answer.status else None
    return None


async def until(condition):
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.01)


# -- crowds


CROWDED = {
    "Flask, gunicorn": (STACKS["Flask, gunicorn gthread"], "/fan"),
    "Django, gunicorn": (STACKS["Django, gunicorn"], "/fan"),
    "FastAPI on weft's threads, uvicorn": (STACKS["FastAPI on weft's threads, uvicorn"], "/plain-fan"),
}


@pytest.mark.parametrize(("stack", "path"), CROWDED.values(), ids=CROWDED)
def test_two_thousand_clients_on_fifty_threads(serve, stack, path):
    """Each is answered, refused with 503 or cut off within its deadline, on threads of a bounded number."""
    with serve(stack) as site:
        answered(site, 50)
        before = site.settled()
        began = time.monotonic()
        statuses = [answer.status for answer in site.get_many(f"{path}?path=/delay/0.02&count=1", 2000)]
        assert time.monotonic() - began < 20
        assert len(statuses) == 2000
        assert set(statuses) <= {0, 200, 503}
        assert statuses.count(200) > 1000
        after = site.settled()
        assert after["threads"] <= 100 + 10
        assert after["fds"] <= before["fds"] + 100
        answered(site, 50)
