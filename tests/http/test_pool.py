"""One engine per loop: made at the first call, closed with the loop, never shared with a forked child."""

import asyncio
import gc
import multiprocessing
import os
import subprocess
import sys

import pytest

import weft.http
from weft.errors import InvalidValue
from weft.http import pool
from weft.testing import faults


@pytest.fixture(scope="module")
def shared():
    with faults.server(tls=True) as running:
        yield running


@pytest.fixture
def server(shared):
    yield shared
    shared.wait_closed()


@pytest.fixture(params=["curl", "aiohttp"])
def engine(request):
    before = weft.http.use(request.param)
    yield request.param
    weft.http.use(before)


def test_each_loop_has_its_own_engine(server, engine):
    """Calls on one loop share an engine; another loop has another one; both are gone when their loops are."""

    async def here():
        await weft.http.get(f"{server.url}/ok")
        return weft.http.engine_here() is weft.http.engine_here(), weft.http.engine_here()

    same, first = asyncio.run(here())
    _, second = asyncio.run(here())
    assert same
    assert first is not second
    assert (pool._engines, pool._closers) == ({}, {})


def test_a_loop_that_is_only_closed_is_found_later(server):
    """The engine (libcurl's) of a loop that closed without its shutdown is closed when the next engine is made."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(weft.http.get(f"{server.url}/ok"))
    loop.close()
    asyncio.run(weft.http.get(f"{server.url}/ok"))
    assert pool._engines == {}
    server.wait_closed()
    del loop
    gc.collect()


def test_a_loops_engine_can_be_closed_from_outside(server, engine):
    """`close_engine` closes a stopped loop's connections; the loop's next call makes a new engine. Twice is no harm."""
    with asyncio.Runner() as runner:
        runner.run(weft.http.get(f"{server.url}/ok"))
        weft.http.close_engine(runner.get_loop())
        weft.http.close_engine(runner.get_loop())
        runner.run(asyncio.sleep(0))
        server.wait_closed()
        assert runner.run(weft.http.get(f"{server.url}/ok")).content == b"ok"


def test_aclose_twice(server, engine):
    """`aclose` without an engine does nothing."""

    async def twice():
        await weft.http.aclose()
        await weft.http.get(f"{server.url}/ok")
        await weft.http.aclose()
        await weft.http.aclose()

    asyncio.run(twice())
    server.wait_closed()


def test_unknown_engines_are_refused():
    """`use` names the engines that there are."""
    with pytest.raises(InvalidValue, match="use\\('curl'\\)"):
        weft.http.use("wget")


def test_engines_can_be_made_by_a_function(server):
    """`use` takes a function that makes an engine for a loop."""
    from weft.http.curl import CurlEngine

    made = []

    def make(loop):
        made.append(CurlEngine(loop))
        return made[-1]

    before = weft.http.use(make)
    asyncio.run(weft.http.get(f"{server.url}/ok"))
    weft.http.use(before)
    assert len(made) == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that it is dangerous is why there is this test
def test_a_forked_child_opens_its_own_pool(server, engine):
    """A child forked in the middle makes its own engine, and the parent's connections live on undisturbed."""
    url = f"{server.https_url}/ok"

    async def parent():
        await weft.http.get(url, verify=server.ca_file)
        server.received.clear()
        child = multiprocessing.get_context("fork").Process(target=_child, args=(url, server.ca_file))
        child.start()
        await asyncio.to_thread(child.join)
        answers = [await weft.http.get(url, verify=server.ca_file) for _ in range(3)]
        assert weft.http.engine_here().statistics().connections_opened == 1
        return child.exitcode, {answer.content for answer in answers}

    assert asyncio.run(parent()) == (0, {b"ok"})
    assert len({request.connection for request in server.received}) == 2


_EXITING_CHILD = """
import asyncio, os, sys, weft.http
url, ca = sys.argv[1:]
with asyncio.Runner() as runner:
    runner.run(weft.http.get(url, verify=ca))
    child = os.fork()
    if not child:
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for _ in range(3):
        runner.run(weft.http.get(url, verify=ca))
    async def opened():
        return weft.http.engine_here().statistics().connections_opened
    print(runner.run(opened()))
"""


def test_a_childs_exit_leaves_the_parents_connections_alone(server):
    """A forked child that ends in the ordinary way, as a preloaded worker does, says no TLS goodbyes for its parent."""
    command = [sys.executable, "-c", _EXITING_CHILD, f"{server.https_url}/ok", server.ca_file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr


def _child(url, ca_file):
    gc.collect()
    asyncio._set_running_loop(None)  # fork kept the parent's
    answer = asyncio.run(weft.http.get(url, verify=ca_file))
    gc.collect()
    if answer.content != b"ok":
        os._exit(3)


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import weft.http", {"pycurl", "aiohttp", "ssl", "asyncio", "json"}),
        ("import weft.http; weft.http.get; weft.http.guard()", {"pycurl", "aiohttp"}),
    ],
)
def test_importing_loads_no_engine(code, heavy):
    """`import weft.http` adds nothing heavy to `import weft`; its functions load no engine before the first call."""
    code = f"import sys, weft; known = {{*sys.modules}}; {code}; print({heavy!r} & {{*sys.modules}} - known)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_functions_tell_their_host():
    """Each function tells the host and port of a call before it runs, and None where there is no address."""
    for name in ("get", "head", "post", "put", "patch", "delete", "options"):
        host = getattr(weft.http, name).__weft_host__
        assert host(("https://example.org/a",), {}) == "example.org:443"
        assert host((), {"url": "http://example.org:81/"}) == "example.org:81"
        assert host((), {}) is None
        assert host(("nonsense",), {}) is None
    assert weft.http.request.__weft_host__(("GET", "http://a/"), {}) == "a:80"


def test_public_names_are_there():
    """Every public name can be had, and no module hides a function of its name."""
    for name in weft.http.__all__:
        value = getattr(weft.http, name)
        assert name == "errors" or callable(value), name
    with pytest.raises(AttributeError):
        _ = weft.http.nothing
