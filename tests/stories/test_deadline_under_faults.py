"""The promise of the deadline, under every fault: the right outcome in time, in both colours, and nothing left over."""

import asyncio
import itertools
import socket
import threading

import pytest
import requests

import weft
from weft.clock import now
from weft.http import errors
from weft.outcome import Failed, TimedOut
from weft.testing import faults

DEADLINE = 0.4
LATE = 0.05  # seconds after the deadline by which everything must be over


@pytest.fixture(autouse=True)
def _nothing_is_left(no_leaks):
    """Threads, descriptors and asyncio tasks are counted after each test."""


@pytest.fixture
def server():
    with faults.server() as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _bombs_are_packed():
    """The server packs a bomb when it is first asked for, which takes longer than a deadline."""
    with faults.server() as running:
        requests.get(f"{running.url}/bomb/70", stream=True, timeout=60).close()


def nobody_listens():
    """An address on which nothing answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


FATES = {
    "/reset": errors.ConnectionReset,
    "/reset-body": errors.ConnectionReset,
    "/truncated": errors.ConnectionReset | errors.ProtocolError,
    "/garbage": errors.ProtocolError,
    "/bad-gzip": errors.DecodingError,
    "/bomb/70": errors.BodyTooLarge,
    "/redirect/10000": errors.TooManyRedirects,
    "/silence": None,
    "/stall": None,
    "/drip/0.05": None,
}


def in_time(attempt, bound=DEADLINE + LATE):
    """Make the attempt, up to three times: a machine busy with something else may hold up any one of them."""
    for _ in range(3):
        started = now()
        result = attempt()
        took = now() - started
        if took < bound:
            return result
    raise AssertionError(f"three times in a row too late, at last after {took:.3f} s")


def both_colours(fn, url, **options):
    """Make one call from a thread and one from a coroutine, each in time; yields their outcomes."""
    call = weft.call(fn, url, **options)

    def from_a_thread():
        with weft.scope(deadline=DEADLINE, join="settled") as scope:
            task = scope.start(call)
        return task.outcome

    async def from_a_coroutine():
        async with weft.scope(deadline=DEADLINE, join="settled") as scope:
            task = scope.start(call)
        return task.outcome

    yield in_time(from_a_thread)
    yield in_time(lambda: asyncio.run(from_a_coroutine()))


@pytest.mark.parametrize("path", FATES)
def test_each_fault_has_its_own_outcome_by_the_deadline(server, path):
    """What the server does wrong is told apart; what never ends is timed out; the server's side is closed at once."""
    for outcome in both_colours(weft.http.get, server.url + path):
        if FATES[path] is None:
            assert outcome == TimedOut(DEADLINE)
        else:
            assert isinstance(outcome, Failed)
            assert isinstance(outcome.error, FATES[path]), repr(outcome.error)
    weft.close()  # a connection that is still good was kept
    server.wait_closed(timeout=2)


def test_a_body_without_end_is_cut_off(server):
    """By its size or by the deadline, whichever comes first."""
    for outcome in both_colours(weft.http.get, server.url + "/endless", max_body=1_000_000):
        assert isinstance(outcome, TimedOut) or isinstance(outcome.error, errors.BodyTooLarge)
    server.wait_closed(timeout=2)


def test_refused_connections_and_unknown_names_are_told_apart():
    """ConnectError and DNSError, at once."""
    for url, expected in ((nobody_listens(), errors.ConnectError), ("http://nothing.invalid/", errors.DNSError)):
        for outcome in both_colours(weft.http.get, url):
            assert isinstance(outcome.error, expected), repr(outcome.error)


def test_a_certificate_that_nobody_vouches_for_is_a_tls_error():
    """And not a connection error, which would invite a retry."""
    with faults.server(tls=True) as server:
        for outcome in both_colours(weft.http.get, server.https_url + "/ok"):
            assert isinstance(outcome.error, errors.TLSError), repr(outcome.error)


def test_a_blocking_client_is_held_to_the_deadline_too(server):
    """`requests` on a thread knows nothing of the deadline: the thread is abandoned, counted, and comes back."""

    def get(path):
        with weft.scope(deadline=DEADLINE, join="settled") as scope:
            task = scope.start(requests.get, server.url + path, timeout=1)
        return task.outcome

    for path in ("/silence", "/drip/0.05"):
        assert in_time(lambda path=path: get(path)) == TimedOut(DEADLINE)
        assert weft.statistics().threads.abandoned >= 1
    weft.close()  # waits for what was abandoned only as long as its grace


def test_a_hundred_faults_at_once_do_not_disturb_the_good_calls(server):
    """Each good call succeeds, each bad one has its own end, all by one deadline."""
    bad = ["/silence", "/reset", "/garbage", "/stall", "/drip/0.05"] * 10
    good = [f"/bytes/{n}" for n in range(40)]
    urls = [server.url + path for path in bad + good]
    outcomes = in_time(weft.map(weft.http.get, urls, deadline=2.0).outcomes, 2.0 + LATE)
    assert not any(outcome.ok for outcome in outcomes[: len(bad)])
    assert [len(outcome.unwrap().content) for outcome in outcomes[len(bad) :]] == list(range(40))
    server.wait_received(len(good))


def test_a_cancelled_call_closes_its_socket_within_50_ms(server):
    """Seen from the server, which would otherwise go on working for nobody."""
    count = itertools.count(1)

    def cancel():
        with weft.scope(deadline=20) as scope:
            task = scope.start(weft.http.get, server.url + "/silence")
            server.wait_received(next(count))
            task.cancel()
            server.wait_closed()

    in_time(cancel, 0.1 + LATE)  # the call itself included


@pytest.mark.parametrize(
    "url", ["not a url", "ftp://example.org/", "http://", "http://example.org:99999/", "http://exa\nmple.org/"]
)
def test_a_malformed_address_is_told_before_anything_is_sent(url):
    """As a mistake of the caller, with what to write."""
    [outcome] = weft.map(weft.http.get, [url]).outcomes()
    assert isinstance(outcome.error, weft.InvalidValue), repr(outcome)


def test_a_header_cannot_carry_another_request():
    """Header injection is refused before anything is sent."""
    [outcome] = weft.map(
        lambda url: weft.http.get(url, headers={"X": "a\r\nHost: evil"}), [nobody_listens()]
    ).outcomes()
    assert isinstance(outcome.error, weft.InvalidValue), repr(outcome)


def test_a_stuck_thread_gives_its_slot_back_when_it_ends():
    """Abandoned at the deadline, counted while it is stuck, reclaimed when it ends."""
    weft.configure(threads=2)
    gate, ended = threading.Event(), threading.Semaphore(0)

    def stuck():
        gate.wait()
        ended.release()

    with weft.scope(deadline=0.05, join="settled") as scope:
        for _ in range(2):
            scope.start(stuck)
    assert weft.statistics().threads.abandoned == 2
    assert weft.run(len, "both slots were lent") == 20
    gate.set()
    for _ in range(2):
        ended.acquire()
    with weft.scope(deadline=5) as scope:
        scope.start(until_nothing_is_abandoned)
    assert weft.statistics().threads.lent == 0


async def until_nothing_is_abandoned():
    while weft.statistics().threads.abandoned:
        await asyncio.sleep(0)
