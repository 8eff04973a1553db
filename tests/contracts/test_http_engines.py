"""What every engine promises, on every loop: one suite, run over all of them."""

import asyncio
import os
import random
import threading
import time
from pathlib import Path

import pytest
import uvloop

import weft.http
from weft.errors import InvalidValue
from weft.http import errors
from weft.testing import faults

KINDS = [("curl", "asyncio"), ("curl", "uvloop"), ("aiohttp", "asyncio"), ("aiohttp", "uvloop")]
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="module")
def server():
    for loop in LOOPS.values():
        loop().close()  # uvloop keeps two descriptors of its own from its first loop on
    with faults.server(tls=True) as running:
        yield running


@pytest.fixture(params=KINDS, ids="-".join)
def run(request, server):
    """Run a coroutine function on a loop of the kind, with an engine of the kind; nothing may be left afterwards."""
    engine, loop = request.param
    before = weft.http.use(engine)
    server.wait_closed()
    server.received.clear()
    server.closed_at.clear()
    descriptors = descriptors_open()

    def run(fn, *args):
        async def body():
            result = await asyncio.wait_for(fn(*args), 60)
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:  # aiohttp's own cleaning up
                await asyncio.wait([task], timeout=2)
            assert not [task for task in tasks if not task.done()]
            assert weft.http.engine_here().statistics().running == 0
            return result

        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            return runner.run(body())

    run.engine = engine
    yield run
    weft.http.use(before)
    server.wait_closed()
    # The server may be about to accept, and close, a connection that was given up before; a resolver thread may be
    # about to end. Neither tells, so there are several looks.
    for _ in range(200):
        if descriptors_open() <= descriptors:
            return
        threading.Event().wait(0.02)
    assert descriptors_open() <= descriptors


def descriptors_open():
    return len(list(Path("/proc/self/fd").iterdir()))


async def error_of(awaitable):
    started = time.monotonic()
    try:
        await awaitable
    except errors.HTTPError as error:
        error.took = time.monotonic() - started
        return error
    raise AssertionError("it succeeded")


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "options"])
def test_sends_the_verb(run, server, verb):
    """Each function sends its verb, and its answer's content is the body."""
    answer = run(getattr(weft.http, verb), f"{server.url}/echo")
    assert answer.json()["method"] == verb.upper()
    assert answer.ok
    assert answer.status_code == 200


def test_sends_any_verb(run, server):
    """`request` sends a verb that has no function, in capitals."""
    assert run(weft.http.request, "report", f"{server.url}/echo").json()["method"] == "REPORT"


def test_head_has_no_body(run, server):
    """HEAD gives the status and no content."""
    answer = run(weft.http.head, f"{server.url}/ok")
    assert (answer.status_code, answer.content) == (200, b"")


def test_sends_bodies(run, server):
    """JSON, forms, text and bytes are sent with the Content-Type that names them, and bytes with none."""

    async def types():
        url = f"{server.url}/echo"
        bodies = ({"json": {"a": "é"}}, {"data": {"a": "1 2", "b": [3, 4]}}, {"data": "hé"}, {"data": b"\x00\xff"})
        return [(await weft.http.post(url, **body)).json() for body in bodies]

    seen = run(types)
    kinds = [{name.lower(): value for name, value in one["headers"]}.get("content-type") for one in seen]
    assert kinds == ["application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-8", None]
    assert [one["body"].encode("latin-1") for one in seen] == [
        '{"a":"é"}'.encode(), b"a=1+2&b=3&b=4", "hé".encode(), b"\x00\xff",
    ]  # fmt: skip


def test_sends_large_bodies(run, server):
    """A body of 3 MiB arrives whole, without waiting for a 100 Continue."""
    body = os.urandom(3 * 1024 * 1024)
    answer = run(lambda: weft.http.put(f"{server.url}/echo", data=body))
    assert answer.json()["body"].encode("latin-1") == body
    assert answer.timings.total < 0.9


def test_sends_headers_and_params(run, server):
    """Header fields arrive, several of a name too, and empty ones; parameters are added to those of the address."""

    async def call():
        headers = [("X-A", "1"), ("X-A", "2"), ("X-Empty", "")]
        return await weft.http.get(
            f"{server.url}/echo?a=1", params={"b": [2, 3], "c": None, "d": True}, headers=headers
        )

    seen = run(call).json()
    assert seen["target"] == "/echo?a=1&b=2&b=3&d=true"
    assert [pair for pair in seen["headers"] if pair[0].lower().startswith("x-")] == [
        ["X-A", "1"], ["X-A", "2"], ["X-Empty", ""],
    ]  # fmt: skip


def test_a_call_leaves_no_trace_in_the_next(run, server):
    """Header fields, body and verb of one call are not seen in the next call of any kind."""

    async def calls():
        url = f"{server.url}/echo"
        await weft.http.post(url, json=1, headers={"X-Secret": "1"})
        await weft.http.get(url, headers={"X-Secret": "1"})
        return [(await weft.http.get(url)).json(), (await weft.http.post(url, data=b"")).json()]

    for seen in run(calls):
        names = {name.lower() for name, _ in seen["headers"]}
        assert "x-secret" not in names
        assert seen["body"] == ""


def test_answers_have_case_insensitive_headers(run, server):
    """Header fields are found in any case, and several of a name are joined or kept apart."""
    answer = run(weft.http.get, f"{server.url}/echo")
    assert answer.headers["x-TWO"] == "1, 2"
    assert answer.headers.get_list("x-two") == ["1", "2"]
    assert (answer.reason, answer.http_version, answer.url) == ("OK", "1.1", f"{server.url}/echo")
    assert 0 < answer.timings.first_byte <= answer.timings.total < 5


def test_raise_for_status(run, server):
    """A status of 503 is an answer; asked, it raises `StatusError`."""
    answer = run(weft.http.get, f"{server.url}/status/503")
    assert not answer.ok
    with pytest.raises(errors.StatusError, match="503 Service Unavailable") as caught:
        answer.raise_for_status()
    assert (caught.value.status_code, caught.value.response) == (503, answer)


def test_follows_redirects(run, server):
    """Redirects are followed, counted and told."""
    answer = run(weft.http.get, f"{server.url}/redirect/3")
    assert (answer.redirect_count, answer.url) == (3, f"{server.url}/echo")
    assert answer.history == tuple((302, f"{server.url}/redirect/{left}") for left in (3, 2, 1))


def test_redirects_can_be_left_alone(run, server):
    """With follow_redirects=False the redirect itself is the answer."""
    answer = run(lambda: weft.http.get(f"{server.url}/redirect/3", follow_redirects=False))
    assert (answer.status_code, answer.headers["location"]) == (302, "/redirect/2")


def test_ten_thousand_redirects_are_too_many(run, server):
    """The eleventh redirect raises `TooManyRedirects`; the bound can be set."""
    error = run(lambda: error_of(weft.http.get(f"{server.url}/redirect/10000")))
    assert type(error) is errors.TooManyRedirects
    assert len(server.received) == 11
    assert run(lambda: weft.http.get(f"{server.url}/redirect/3", max_redirects=3)).redirect_count == 3


@pytest.mark.parametrize(
    ("status", "verb", "body"), [(302, "GET", ""), (303, "GET", ""), (307, "POST", "x"), (308, "POST", "x")]
)
def test_redirected_posts(run, server, status, verb, body):
    """A POST is repeated with its body after 307 and 308, and becomes a GET after 302 and 303."""
    answer = run(lambda: weft.http.post(f"{server.url}/redirect-to?url=/echo&status={status}", data=b"x"))
    assert (answer.json()["method"], answer.json()["body"]) == (verb, body)


def test_redirects_stay_with_http(run, server):
    """A redirect to another scheme is not followed, whatever it is."""
    for where in ("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:1/"):
        url = f"{server.url}/redirect-to?url={where}"
        assert isinstance(run(lambda url=url: error_of(weft.http.get(url))), errors.HTTPError)


def test_secrets_stay_on_their_origin(run, server):
    """An Authorization field is not sent to another port that a redirect names."""
    with faults.server() as other:
        url = f"{server.url}/redirect-to?url={other.url}/echo"
        answer = run(lambda: weft.http.get(url, headers={"Authorization": "Bearer x"}))
    assert "authorization" not in {name.lower() for name, _ in answer.json()["headers"]}


def test_connections_are_reused(run, server):
    """Twenty calls, one after the other, use one connection."""

    async def calls():
        for _ in range(20):
            assert (await weft.http.get(f"{server.url}/ok")).text == "ok"
        return weft.http.engine_here().statistics()

    statistics = run(calls)
    assert {request.connection for request in server.received} == {server.received[0].connection}
    assert (statistics.started, statistics.succeeded, statistics.connections_opened) == (20, 20, 1)


def test_calls_run_at_the_same_time(run, server):
    """A hundred calls of 0.2 s take much less than one after the other."""

    async def calls():
        started = time.monotonic()
        answers = await asyncio.gather(*(weft.http.get(f"{server.url}/delay/0.2") for _ in range(100)))
        assert {answer.content for answer in answers} == {b"ok"}
        return time.monotonic() - started

    assert run(calls) < 2


# -- bodies


def test_decodes_gzip(run, server):
    """A gzip body arrives decoded."""
    assert run(weft.http.get, f"{server.url}/gzip/100000").content == b"x" * 100_000


def test_chunked_bodies_arrive_whole(run, server):
    """A chunked body arrives whole, and its trailer is no header field."""
    answer = run(weft.http.get, f"{server.url}/chunked/12345")
    assert len(answer.content) == 12345
    assert "x-trailer" not in answer.headers


@pytest.mark.parametrize("path", ["bytes/200000", "chunked/200000", "gzip/200000", "bomb/300", "endless"])
def test_bodies_are_bounded_decoded(run, server, path):
    """A body beyond `max_body` bytes, decoded, is refused early: a bomb of 300 MiB does not go off."""
    error = run(lambda: error_of(weft.http.get(f"{server.url}/{path}", max_body=100_000)))
    assert type(error) is errors.BodyTooLarge
    assert error.took < 3


def test_a_body_at_the_bound_is_allowed(run, server):
    """A body of exactly `max_body` bytes arrives."""
    assert len(run(lambda: weft.http.get(f"{server.url}/gzip/1000", max_body=1000)).content) == 1000


def test_streams(run, server):
    """A streamed body arrives in pieces that make up the whole; `read` collects them."""

    async def call():
        async with weft.http.stream("GET", f"{server.url}/chunked/500000") as answer:
            assert answer.status_code == 200
            assert answer.headers["transfer-encoding"] == "chunked"
            with pytest.raises(TypeError, match="read"):
                _ = answer.content
            first = await anext(answer)
            rest = await answer.read()
        async with weft.http.stream("POST", f"{server.url}/echo", data=b"x") as answer:
            assert (await answer.read(), answer.json()["body"])[1] == "x"
        return len(first), len(rest)

    first, rest = run(call)
    assert first + rest == 500_000
    assert 0 < first < 500_000


def test_a_stream_starts_before_its_body_is_there(run, server):
    """The block is entered when the head has come, and the pieces as they come."""

    async def call():
        async with weft.http.stream("GET", f"{server.url}/drip/0.01") as answer:
            return [await anext(answer) for _ in range(3)]

    assert b"".join(run(call)).startswith(b"...")


def test_streams_hold_the_server_back(run, server):
    """What the reader does not take stays with the server: an endless body comes to a stand, and other calls go on."""

    async def others():
        for _ in range(20):
            assert (await weft.http.get(f"{server.url}/delay/0.01")).content == b"ok"

    async def comes_to_a_stand():
        for _ in range(50):
            before = server.bytes_sent
            await others()
            if server.bytes_sent - before < 10_000:  # the others' own answers
                return True
        return False

    async def call():
        async with weft.http.stream("GET", f"{server.url}/endless") as answer:
            await anext(answer)
            assert await comes_to_a_stand()
            total = 0
            while total < 20_000_000:  # and goes on when the reader does
                total += len(await anext(answer))

    run(call)


def test_a_broken_stream_raises(run, server):
    """A stream that ends early raises where the next piece is asked for."""

    async def call():
        async with weft.http.stream("GET", f"{server.url}/truncated") as answer:
            await answer.read()

    assert type(run(lambda: error_of(call()))) is errors.ConnectionReset


def test_leaving_a_stream_early_closes_it(run, server):
    """A block that is left before the end closes the connection."""

    async def call():
        async with weft.http.stream("GET", f"{server.url}/endless") as answer:
            await anext(answer)
        left = time.monotonic()
        closed = await asyncio.to_thread(server.wait_closed)
        return closed - left

    assert run(call) < 0.05


# -- faults


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("garbage", errors.ProtocolError),
        ("truncated", errors.ConnectionReset),
        ("reset", errors.ConnectionReset),
        ("reset-body", errors.ConnectionReset),
        ("bad-gzip", errors.DecodingError),
    ],
)
def test_faults_are_told_apart(run, server, path, kind):
    """Each fault has its type; it names the address and keeps the engine's own error as its cause."""
    error = run(lambda: error_of(weft.http.get(f"{server.url}/{path}")))
    assert type(error) is kind
    assert error.url == f"{server.url}/{path}"
    assert error.__cause__ is not None
    assert error.took < 2


def test_refused(run, free_port):
    """A port where nobody listens is a `ConnectError`, which is a `ConnectionError`."""
    error = run(lambda: error_of(weft.http.get(f"http://127.0.0.1:{free_port}/")))
    assert type(error) is errors.ConnectError
    assert isinstance(error, ConnectionError)


def test_unknown_names(run):
    """A name that does not exist is a `DNSError`."""
    assert type(run(lambda: error_of(weft.http.get("http://nobody.invalid/")))) is errors.DNSError


@pytest.mark.parametrize("path", ["silence", "stall"])
def test_read_timeout(run, server, path):
    """A server that is silent for longer than the read timeout is a `ReadTimeout`, and sees its connection closed."""

    async def call():
        error = await error_of(weft.http.get(f"{server.url}/{path}", timeout=weft.http.Timeouts(read=0.2)))
        return error, await asyncio.to_thread(server.wait_closed)

    error, _ = run(call)
    assert type(error) is errors.ReadTimeout
    assert isinstance(error, TimeoutError)
    assert 0.19 < error.took < 0.4


def test_a_slow_server_is_not_silent(run, server):
    """A server that sends a byte now and then does not run into the read timeout, but into the total one."""
    timeouts = weft.http.Timeouts(read=0.3, total=0.8)
    error = run(lambda: error_of(weft.http.get(f"{server.url}/drip/0.05", timeout=timeouts)))
    assert type(error) is errors.TotalTimeout
    assert 0.75 < error.took < 1.0


@pytest.mark.parametrize("path", ["silence", "stall", "drip/0.01", "endless"])
def test_a_number_is_the_time_for_the_whole_call(run, server, path):
    """`timeout=0.3` ends any call at 0.3 s with an error that is a TimeoutError."""
    error = run(lambda: error_of(weft.http.get(f"{server.url}/{path}", timeout=0.3, max_body=None)))
    assert isinstance(error, errors.Timeout)
    assert 0.29 < error.took < 0.45


def test_connect_timeout(run, full_port):
    """A host that does not take connections is a `ConnectTimeout`."""
    timeouts = weft.http.Timeouts(connect=0.2)
    error = run(lambda: error_of(weft.http.get(f"http://127.0.0.1:{full_port}/", timeout=timeouts)))
    assert type(error) is errors.ConnectTimeout
    assert 0.19 < error.took < 0.4


def test_a_pause_of_the_loop_is_not_the_servers(run, server):
    """Calls go on after the loop was blocked for longer than the read timeout while an answer lay ready."""

    async def call():
        task = asyncio.ensure_future(weft.http.get(f"{server.url}/delay/0.05", timeout=weft.http.Timeouts(read=0.3)))
        await asyncio.to_thread(server.wait_received)
        time.sleep(0.5)  # noqa: ASYNC251 - blocking the loop is the fact
        return await task

    assert run(call).content == b"ok"


@pytest.fixture
def free_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def full_port():
    import socket

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        yield full.getsockname()[1]
        for filler in fillers:
            filler.close()


# -- TLS


def test_tls_with_a_private_authority(run, server):
    """A server of a private authority is trusted when `verify` names the authority's file."""
    answer = run(lambda: weft.http.get(f"{server.https_url}/ok", verify=server.ca_file))
    assert answer.content == b"ok"


def test_untrusted_certificates_are_refused(run, server):
    """Without it, the call is a `TLSError`, and no request is sent."""
    error = run(lambda: error_of(weft.http.get(f"{server.https_url}/ok")))
    assert type(error) is errors.TLSError
    assert server.received == []


def test_verification_can_be_switched_off(run, server):
    """With verify=False any certificate will do."""
    assert run(lambda: weft.http.get(f"{server.https_url}/ok", verify=False)).content == b"ok"


def test_a_verified_call_never_uses_an_unverified_connection(run, server):
    """After a call with verify=False, a call that verifies fails as if there had been none."""

    async def calls():
        await weft.http.get(f"{server.https_url}/ok", verify=False)
        return await error_of(weft.http.get(f"{server.https_url}/ok"))

    assert type(run(calls)) is errors.TLSError


def test_a_plain_server_is_no_tls_server(run, server):
    """Https to a port that speaks plain HTTP is a `TLSError`."""
    url = server.url.replace("http:", "https:")
    assert type(run(lambda: error_of(weft.http.get(f"{url}/ok", timeout=2)))) is errors.TLSError


# -- unsafe verbs


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("body", [b"body", None])
def test_unsafe_verbs_are_never_sent_twice(run, server, verb, body):
    """When a kept connection dies under a call, an unsafe verb is not sent again: the caller gets the error."""

    async def call():
        for turn in range(5):
            await weft.http.get(f"{server.url}/stale")
            error = await error_of(weft.http.request(verb, f"{server.url}/echo?turn={turn}", data=body))
            assert type(error) is errors.ConnectionReset

    run(call)
    sent = [request.target for request in server.received if request.method == verb]
    assert sent == [f"/echo?turn={turn}" for turn in range(5)]


def test_safe_verbs_are_sent_again(run, server):
    """A GET that meets a dead kept connection is sent again on a fresh one."""

    async def call():
        await weft.http.get(f"{server.url}/stale")
        return await weft.http.get(f"{server.url}/echo")

    assert run(call).json()["method"] == "GET"


# -- cancellation


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("path", ["silence", "stall", "endless"])
def test_cancelling_closes_the_connection(run, server, scheme, path):
    """The server sees the close within 50 ms of the cancellation."""
    base = server.url if scheme == "http" else server.https_url

    async def call():
        task = asyncio.ensure_future(weft.http.get(f"{base}/{path}", verify=server.ca_file, max_body=None))
        await asyncio.to_thread(server.wait_received)
        cancelled = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        closed = await asyncio.to_thread(server.wait_closed)
        assert (await weft.http.get(f"{server.url}/ok")).content == b"ok"
        return closed - cancelled

    assert run(call) < 0.05


@pytest.mark.slow
def test_a_storm_of_cancellations(run, server):
    """After 10,000 calls of which most are cancelled at random, no answer was mixed up and the pool is healthy."""
    rng = random.Random(20261122)

    async def one(number, gate):
        async with gate:
            call = asyncio.ensure_future(weft.http.get(f"{server.url}/echo?n={number}", timeout=20))
            if rng.random() < 0.6:
                await asyncio.wait([call], timeout=rng.random() * 0.002)
                call.cancel()
            try:
                answer = await call
            except asyncio.CancelledError:
                return "cancelled"
            return "good" if answer.json()["target"] == f"/echo?n={number}" else "mixed up"

    async def storm():
        gate = asyncio.Semaphore(50)
        ends = await asyncio.gather(*(one(number, gate) for number in range(10_000)))
        after = await asyncio.gather(*(weft.http.get(f"{server.url}/echo?n={n}") for n in range(200)))
        assert [answer.json()["target"] for answer in after] == [f"/echo?n={n}" for n in range(200)]
        return {end: ends.count(end) for end in set(ends)}

    ends = run(storm)
    assert set(ends) == {"cancelled", "good"}
    assert min(ends.values()) > 500


def test_closing_ends_what_runs(run, server):
    """`aclose` ends calls under way with `EngineClosed`; the next call gets a fresh engine."""

    async def call():
        task = asyncio.ensure_future(error_of(weft.http.get(f"{server.url}/silence")))
        await asyncio.to_thread(server.wait_received)
        await weft.http.aclose()
        error = await task
        assert (await weft.http.get(f"{server.url}/ok")).content == b"ok"
        return error

    assert type(run(call)) is errors.EngineClosed


def test_a_loop_that_ends_closes_its_engine(run, server):
    """When the loop shuts down its asynchronous generators, the connections are closed."""
    run(weft.http.get, f"{server.url}/ok")
    server.wait_closed()


# -- guards


def test_guards_refuse_loopback(run, server):
    """A guarded call to loopback is refused before a connection is made: by address, by name, by redirect."""
    port = server.url.rpartition(":")[2]
    before = server.connections
    for host in ("127.0.0.1", "localhost", "127.0.0.1.", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]"):
        url = f"http://{host}:{port}/ok"
        error = run(lambda url=url: error_of(weft.http.get(url, guard=weft.http.guard())))
        assert type(error) is errors.GuardRefused, host
    assert server.connections == before


def test_guards_look_at_redirects(run, server):
    """A redirect from an allowed host to an address that is not allowed is refused; nothing is sent there."""
    port = server.url.rpartition(":")[2]
    guard = weft.http.guard(allow=["localhost"])
    url = f"http://localhost:{port}/redirect-to?url=http://127.0.0.1:{port}/ok"
    error = run(lambda: error_of(weft.http.get(url, guard=guard)))
    assert type(error) is errors.GuardRefused
    assert [request.path for request in server.received] == ["/redirect-to"]


def test_guards_look_at_the_ports_of_redirects(run, server):
    """A redirect to a port that the guard does not name is refused; nothing is sent there."""
    guard = weft.http.guard(allow=["127.0.0.1"], ports=[int(server.url.rpartition(":")[2])])
    with faults.server() as other:
        url = f"{server.url}/redirect-to?url={other.url}/ok"
        assert type(run(lambda: error_of(weft.http.get(url, guard=guard)))) is errors.GuardRefused
        assert other.connections == 0


def test_guards_share_no_connections(run, server):
    """A guarded call does not use the connection of an unguarded one, nor one of another guard."""

    async def calls():
        url = f"{server.url}/ok"
        await weft.http.get(url)
        await weft.http.get(url, guard=weft.http.guard(allow=["127.0.0.1"]))
        await weft.http.get(url, guard=weft.http.guard(allow=["127.0.0.0/8"]))
        await weft.http.get(url, guard=weft.http.guard(allow=["127.0.0.1"]))
        return await error_of(weft.http.get(url, guard=weft.http.guard()))

    assert type(run(calls)) is errors.GuardRefused
    assert len({request.connection for request in server.received}) == 3


def test_guarded_calls_follow_redirects(run, server):
    """Where the guard allows it, redirects are followed, counted and told as without a guard."""
    answer = run(lambda: weft.http.get(f"{server.url}/redirect/2", guard=weft.http.guard(allow=["127.0.0.1"])))
    assert (answer.redirect_count, answer.url) == (2, f"{server.url}/echo")
    assert answer.history == ((302, f"{server.url}/redirect/2"), (302, f"{server.url}/redirect/1"))


def test_guarded_calls_use_no_proxy(run, server, monkeypatch):
    """The environment's proxy is used without a guard, and not with one."""
    monkeypatch.setenv("http_proxy", server.url)
    assert run(weft.http.get, "http://somewhere.invalid/ok").content == b"ok"
    assert (
        type(run(lambda: error_of(weft.http.get("http://other.invalid/", guard=weft.http.guard())))) is errors.DNSError
    )


def test_proxies(run, server):
    """A call goes through the proxy that it names; an empty name is none."""
    answer = run(lambda: weft.http.get("http://somewhere.invalid/ok", proxy=server.url))
    assert answer.content == b"ok"
    assert server.received[-1].target == "http://somewhere.invalid/ok"


# -- mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "example.org"}, "write https://example.org"),
        ({"url": "ftp://example.org/"}, "write https://example.org/"),
        ({"url": "http://"}, "names no host"),
        ({"url": "http://a b/"}, "percent-encoded"),
        ({"url": "http://a\r\nX: 1/"}, "percent-encoded"),
        ({"url": "http://a:99999/"}, "write https://host:port"),
        ({"headers": {"X": "1\r\nY: 2"}}, "line break"),
        ({"headers": {"X\r\n": "1"}}, "token"),
        ({"timeout": -1}, "above 0"),
        ({"timeout": float("nan")}, "above 0"),
        ({"max_body": -1}, "whole number"),
        ({"http_version": "4"}, "'1.1'"),
        ({"proxy": "localhost:3128"}, "http://localhost:3128"),
        ({"json": 1, "data": b""}, "one of them"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(run, server, arguments, message):
    """An impossible argument is an `InvalidValue` that says what to write instead, and nothing is sent."""

    async def call():
        with pytest.raises(InvalidValue, match=message):
            await weft.http.get(**{"url": f"{server.url}/ok", **arguments})

    run(call)
    assert server.received == []
