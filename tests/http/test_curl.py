"""What the libcurl engine promises beyond the contract."""

import asyncio
import gc
import shutil
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import trustme
import uvloop

import weft.http
from weft.http import certificates, errors, lane, transfer, watch
from weft.http.curl import CurlEngine
from weft.http.outgoing import Options, Request, Timeouts
from weft.testing import faults


@pytest.fixture(scope="module")
def shared():
    with faults.server() as running:
        yield running


@pytest.fixture
def server(shared):
    yield shared
    shared.wait_closed()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request, server):
    with asyncio.Runner(loop_factory=request.param) as one:
        yield one
        one.run(asyncio.sleep(0))


def test_handles_are_reused(runner, server):
    """A hundred calls, one after the other, use one handle; calls of another kind use another."""

    async def calls():
        for _ in range(100):
            await weft.http.get(f"{server.url}/ok")
        await weft.http.post(f"{server.url}/ok", data=b"x")
        return weft.http.engine_here().statistics()

    assert runner.run(calls()).idle_handles == 2


def test_timeouts_of_one_call_are_not_the_nexts(runner, server):
    """A reused handle takes the timeouts of its own call."""

    async def calls():
        engine = weft.http.engine_here()
        for total, kind in ((0.05, errors.TotalTimeout), (None, None), (0.05, errors.TotalTimeout)):
            request = Request("GET", f"{server.url}/delay/0.15", timeouts=Timeouts(total=total))
            try:
                assert (await engine.fetch(request)).content == b"ok"
                assert kind is None
            except errors.TotalTimeout:
                assert kind is errors.TotalTimeout

    runner.run(calls())


def test_thousands_of_calls_are_spread_over_pools(runner, server, monkeypatch):
    """Beyond its size a pool takes no more calls: the next pool does, and the first is used again later."""
    monkeypatch.setattr("weft.http.curl._POOL_SIZE", 10)

    async def calls():
        engine = weft.http.engine_here()
        answers = await asyncio.gather(*(weft.http.get(f"{server.url}/delay/0.05") for _ in range(35)))
        assert {answer.content for answer in answers} == {b"ok"}
        pools = len(engine._open)
        await weft.http.get(f"{server.url}/ok")
        return pools, engine.statistics()

    pools, statistics = runner.run(calls())
    assert pools == 4
    assert (statistics.succeeded, statistics.connections_opened, statistics.idle_handles) == (36, 35, 35)


def test_loop_watch_keeps_the_promises(runner, server, monkeypatch):
    """Without epoll, the loop's own readers and writers do: calls, large bodies, cancellation, closing."""
    monkeypatch.setattr(lane, "make_watch", watch.LoopWatch)

    async def calls():
        answers = await asyncio.gather(*(weft.http.get(f"{server.url}/bytes/{n}00") for n in range(1, 50)))
        assert [len(answer.content) for answer in answers] == [n * 100 for n in range(1, 50)]
        body = bytes(3_000_000)
        assert len((await weft.http.post(f"{server.url}/echo", data=body)).json()["body"]) == len(body)
        server.received.clear()
        task = asyncio.ensure_future(weft.http.get(f"{server.url}/silence"))
        await asyncio.to_thread(server.wait_received)
        before = server.open_connections
        task.cancel()
        await asyncio.wait([task])
        await asyncio.to_thread(server.wait_closed, before - 1)
        await weft.http.aclose()

    runner.run(calls())
    server.wait_closed()


@pytest.mark.parametrize("callback", ["change"])
def test_exceptions_in_callbacks_end_the_calls(runner, server, monkeypatch, callback):
    """An exception inside libcurl's callback is no hang: every call under way fails with it, and the next one works."""

    async def calls():
        engine = weft.http.engine_here()
        broken = engine._lane_here._watch
        monkeypatch.setattr(type(broken), callback, _raise)
        with pytest.raises(errors.HTTPError, match="broke") as caught:
            await asyncio.wait_for(weft.http.get(f"{server.url}/ok"), 5)
        monkeypatch.undo()
        assert (await weft.http.get(f"{server.url}/ok")).content == b"ok"
        return caught.value.__cause__

    assert isinstance(runner.run(calls()), ZeroDivisionError)


def _raise(*_):
    raise ZeroDivisionError


def test_no_cycles_are_left_by_a_call(runner, server):
    """A call leaves nothing for the garbage collector: memory is given back at once."""

    async def calls():
        for _ in range(5):
            await weft.http.get(f"{server.url}/ok")
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                await weft.http.get(f"{server.url}/ok")
            return gc.collect()
        finally:
            gc.enable()

    assert runner.run(calls()) < 50


def test_a_closed_engine_refuses(runner):
    """A call on an engine that was closed raises `EngineClosed`; closing twice is no harm."""

    async def calls():
        engine = CurlEngine()
        await engine.close()
        await engine.close()
        with pytest.raises(errors.EngineClosed):
            await engine.fetch(Request("GET", "http://127.0.0.1:9/"))
        with pytest.raises(errors.EngineClosed):
            async with engine.open(Request("GET", "http://127.0.0.1:9/")):
                pass

    runner.run(calls())


def test_pools_of_guards_are_bounded(runner, server):
    """Guards that are made anew for each call do not pile up connections."""

    async def calls():
        for port in range(1, 40):
            guard = weft.http.guard(allow=["127.0.0.1"], ports=[port, int(server.url.rpartition(":")[2])])
            await weft.http.get(f"{server.url}/ok", guard=guard)
        return len(weft.http.engine_here()._guarded)

    assert runner.run(calls()) <= 16


def test_a_guard_looks_where_a_socket_is_opened(server):
    """The check at the socket refuses a private address, whatever the address said before; nothing is connected."""
    guard = weft.http.guard()
    one = transfer.Transfer(("GET", True, "http", Options(guard=guard)))
    one.request = Request("GET", "http://rebind.example/", options=Options(guard=guard))
    address = type("Address", (), {"addr": ("10.0.0.1", 80), "family": 2, "socktype": 1, "protocol": 6})
    assert one._open_socket(0, address) < 0
    assert isinstance(one.refusal, errors.GuardRefused)
    one.easy.close()


def test_a_late_wake_up_leaves_the_next_call_alone(runner, server):
    """A call that failed may wake up when its handle serves the next call already: it does not end that one."""

    async def calls():
        engine = weft.http.engine_here()
        first = asyncio.ensure_future(engine.fetch(Request("GET", f"{server.url}/silence")))
        await asyncio.to_thread(server.wait_received)
        pool = engine._lane_here
        failed = next(iter(pool._running.values()))
        pool._end(failed, errors.HTTPError("made up"))
        second = asyncio.get_running_loop().create_future()
        assert pool.start(Request("GET", f"{server.url}/ok"), second) is failed
        with pytest.raises(errors.HTTPError, match="made up"):
            await first
        return await asyncio.wait_for(second, 5)

    server.received.clear()
    assert runner.run(calls()).content == b"ok"


def test_a_body_is_rewound_for_redirects_alone():
    """Libcurl may read a body again after an answer's head (a redirect), and never before one (a silent re-sending)."""
    one = transfer.Transfer(("POST", False, "http", Options()))
    assert one._seek(0, 0) == transfer._SEEK_FAIL
    one.head.append(b"HTTP/1.1 307 Temporary Redirect\r\n")
    assert one._seek(0, 0) == transfer._SEEK_OK
    one.easy.close()


# -- trust


def test_the_environment_names_the_trusted_file(monkeypatch, tmp_path):
    """`SSL_CERT_FILE`, `CURL_CA_BUNDLE` and `REQUESTS_CA_BUNDLE` are honoured in that order, if they exist."""
    paths = {}
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        paths[name] = tmp_path / name
        paths[name].touch()
        monkeypatch.setenv(name, str(paths[name]))
    for path in paths.values():
        assert certificates.trusted_file() == str(path)
        path.unlink()
    assert Path(certificates.trusted_file()).is_file()


def test_certifi_is_the_last_resort(monkeypatch):
    """Where the system has no file, certifi's is used."""
    monkeypatch.setattr(certificates, "_SYSTEM", ())
    certificates._usual.cache_clear()
    try:
        assert "certifi" in certificates._usual()
    finally:
        certificates._usual.cache_clear()


@pytest.mark.parametrize("engine", ["curl", "aiohttp"])
def test_client_certificates(tmp_path, engine):
    """A server that asks for a certificate gets the client's; without one there is no connection."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        subject = dict(part[0] for part in writer.get_extra_info("peercert")["subjectAltName"] and [])
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok" + b"" * len(subject))
        await writer.drain()
        writer.close()

    async def calls():
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
            options = {"verify": str(tmp_path / "ca.pem"), "timeout": 5}
            assert (await weft.http.get(url, cert=str(tmp_path / "client.pem"), **options)).content == b"ok"
            with pytest.raises((errors.TLSError, errors.ConnectionReset)):
                await weft.http.get(url, **options)

    before = weft.http.use(engine)
    try:
        asyncio.run(calls())
    finally:
        weft.http.use(before)


# -- names

_SLOW_RESOLVER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real) real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (host && strncmp(host, "hang", 4) == 0) { sleep(30); return EAI_AGAIN; }
    if (host && strncmp(host, "loop", 4) == 0) host = "127.0.0.1";
    return real(host, port, hints, found);
}
"""

_HANGING = """
import asyncio, sys, time, weft.http
weft.http.use(sys.argv[1])
async def main():
    url = sys.argv[2]
    stuck = [asyncio.ensure_future(weft.http.get(f"http://hang{n}.test/")) for n in range(3)]
    started = time.monotonic()
    for n in range(20):
        answer = await weft.http.get(url.replace("127.0.0.1", f"loop{n}.test"))
        assert answer.content == b"ok"
    print("others", time.monotonic() - started)
    started = time.monotonic()
    for one in stuck:
        one.cancel()
    await asyncio.wait(stuck)
    print("cancelled", time.monotonic() - started)
    timeouts = weft.http.Timeouts(connect=0.2)
    started = time.monotonic()
    try:
        await weft.http.get("http://hang.test/", timeout=timeouts)
    except weft.http.errors.ConnectTimeout:
        print("timeout", time.monotonic() - started)
    started = time.monotonic()
    await weft.http.aclose()
    print("closed", time.monotonic() - started)
    sys.stdout.flush()
    import os
    os._exit(0)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def slow_resolver(tmp_path_factory):
    """A library that makes names which begin with "hang" take half a minute to resolve."""
    if shutil.which("cc") is None:
        pytest.skip("a resolver that hangs is made with a C compiler, and there is none here")
    folder = tmp_path_factory.mktemp("resolver")
    (folder / "slow.c").write_text(_SLOW_RESOLVER)
    command = ["cc", "-shared", "-fPIC", "-o", folder / "slow.so", folder / "slow.c", "-ldl"]
    subprocess.run(command, check=True)
    return folder / "slow.so"


@pytest.mark.parametrize("engine", ["curl", "aiohttp"])
def test_a_name_that_hangs_stalls_nobody_else(server, slow_resolver, engine):
    """While a name server hangs for one host, others are called; stuck calls can be cancelled, the engine closed."""
    command = [sys.executable, "-c", _HANGING, engine, f"{server.url}/ok"]
    environment = {"LD_PRELOAD": str(slow_resolver), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=25, check=False)
    assert done.returncode == 0, done.stderr
    seconds = {name: float(took) for name, took in (line.split() for line in done.stdout.splitlines())}
    assert seconds["others"] < 3
    assert seconds["cancelled"] < 0.5
    assert 0.19 < seconds["timeout"] < 0.6
    assert seconds["closed"] < 1


def test_threads_other_than_the_loops_are_not_started(runner, server):
    """Calls to an address start no thread."""

    async def calls():
        await asyncio.gather(*(weft.http.get(f"{server.url}/ok") for _ in range(20)))
        return threading.active_count()

    before = threading.active_count()
    assert runner.run(calls()) == before


def test_a_call_costs_little(runner, server):
    """Twenty calls to a server in this very process take less than a second: nothing in a call waits for a timer."""

    async def calls():
        started = time.monotonic()
        for _ in range(20):
            await weft.http.get(f"{server.url}/ok")
        return time.monotonic() - started

    assert runner.run(calls()) < 1
