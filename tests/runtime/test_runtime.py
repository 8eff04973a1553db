"""One runtime per process: it opens when it is needed, survives a fork, and never holds up an exit."""

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

import weft
from weft.config import Config
from weft.errors import WeftError
from weft.runtime import process
from weft.runtime.background import BackgroundLoop, new_loop


async def double(x):
    return 2 * x


def python(code, **options):
    """Run a script in a fresh interpreter; its output, its exit status."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


def test_importing_weft_starts_nothing():
    """No thread and no loop; the engines, the executors and what draws are not even loaded."""
    status, out, err = python("""
        import sys, threading, weft
        heavy = {"pycurl", "uvloop", "rich", "multiprocessing", "weft.http", "weft.executors.threads"}
        print(threading.active_count(), sorted(heavy & set(sys.modules)))
    """)
    assert (status, out.strip(), err) == (0, "1 []", "")


def test_nothing_starts_before_it_is_needed():
    """A scope without calls starts no thread; its statistics say so."""
    before = threading.active_count()
    with weft.scope(deadline=1):
        pass
    statistics = weft.statistics()
    assert threading.active_count() == before
    assert (statistics.threads, statistics.processes, statistics.loops) == (None, None, 0)


def test_threads_that_race_for_the_first_call_get_one_runtime():
    """Sixteen threads, one background loop."""
    barrier = threading.Barrier(16)
    loops = []

    async def where():
        return asyncio.get_running_loop()

    def caller():
        barrier.wait()
        loops.append(weft.run(where))

    threads = [threading.Thread(target=caller) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loops) == 16
    assert len(set(map(id, loops))) == 1


def test_the_background_loop_is_uvloop_where_it_installs():
    """And asyncio's own where the settings say so."""
    pytest.importorskip("uvloop")
    fast, plain = new_loop(uvloop=True), new_loop(uvloop=False)
    assert "uvloop" in type(fast).__module__
    assert "uvloop" not in type(plain).__module__
    fast.close()
    plain.close()


def test_a_loop_that_is_stuck_does_not_hold_up_its_stop():
    """`stop` gives up after its grace and says so."""
    background = BackgroundLoop(lambda: new_loop(uvloop=False))
    gate, inside = threading.Event(), threading.Event()

    def stuck():
        inside.set()
        gate.wait()

    background.executor.loop.call_soon_threadsafe(stuck)
    inside.wait()
    assert background.stop(grace=0) is False
    gate.set()
    assert background.stop(grace=5) is True


def test_a_closed_runtime_opens_afresh():
    """`weft.close()` ends everything; the next call starts anew."""
    assert weft.run(double, 1) == 2
    weft.close()
    assert weft.run(double, 2) == 4


def test_settings_come_before_the_first_call():
    """Afterwards they are refused, with where to put them."""
    weft.close()
    weft.configure(host_limit=7)
    try:
        assert process.runtime().config.host_limit == 7
        with pytest.raises(weft.InvalidCall, match="where the application starts"):
            weft.configure(host_limit=8)
    finally:
        weft.close()
        weft.configure(host_limit=Config().host_limit)


def test_unknown_and_impossible_settings_are_told():
    """By name, with the names there are."""
    weft.close()
    with pytest.raises(weft.InvalidCall, match="choose from threads, processes"):
        weft.configure(thread=3)
    for wrong in ({"threads": 0}, {"host_limit": -1}, {"grace": float("nan")}, {"waiting": -1}):
        with pytest.raises(weft.InvalidValue):
            weft.configure(**wrong)


def test_closed_loops_are_forgotten():
    """A loop for each request (Flask's async views, a test suite) leaves nothing behind."""

    async def main():
        async with weft.scope() as scope:
            scope.start(double, 1)

    for _ in range(20):
        asyncio.run(main())
    assert len(process.runtime()._loops) <= 1


# -- fork

FORKED = """
    import os, weft, threading
    async def double(x): return 2 * x
    parent = weft.run(double, 1), weft.run(threading.get_ident) and 1
    pid = os.fork()
    if pid == 0:
        answers = weft.map(double, range(5), deadline=5).values(), weft.run(len, "abc")
        os.write(1, f"child {answers}\\n".encode())
        os._exit(0)
    os.waitpid(pid, 0)
    print("parent", weft.map(double, range(5), deadline=5).values(), flush=True)
"""


def test_a_forked_child_gets_a_fresh_runtime():
    """Threads and loops stay with the parent, and both go on (gunicorn --preload, os.fork)."""
    status, out, err = python(FORKED)
    assert status == 0, err
    assert out == "child ([0, 2, 4, 6, 8], 3)\nparent [0, 2, 4, 6, 8]\n"


def test_a_fork_in_the_middle_of_calls_harms_neither_side():
    """The child does not wait for the parent's calls, and the parent's calls end."""
    status, out, err = python("""
        import os, weft, threading, asyncio
        gate = threading.Event()
        async def wait(): await asyncio.sleep(0.2); return "loop"
        def block(): gate.wait(); return "thread"
        with weft.scope(deadline=10) as scope:
            a, b = scope.start(wait), scope.start(block)
            pid = os.fork()
            if pid == 0:
                weft.close(0)
                os._exit(0 if weft.run(len, "abc") == 3 else 1)
            _, status = os.waitpid(pid, 0)
            gate.set()
        print(status, a.result(), b.result())
    """)
    assert (status, out) == (0, "0 loop thread\n"), err


# -- exit


def test_exit_with_a_stuck_thread_does_not_hang():
    """A call that nobody waits for any more does not keep the process alive."""
    status, out, err = python("""
        import threading, weft
        with weft.scope(deadline=0.05, join="settled") as scope:
            scope.start(threading.Event().wait)
        print(scope.outcomes()[0])
    """)
    assert (status, out, err) == (0, "TimedOut(after=0.05)\n", "")


def test_calls_of_other_threads_have_the_grace_to_end_at_exit():
    """A daemon thread's calls under way end before the interpreter does, within the grace."""
    status, out, err = python("""
        import asyncio, threading, weft
        begun = threading.Event()
        async def work():
            begun.set()
            await asyncio.sleep(0.2)
            print("done", flush=True)
        threading.Thread(target=weft.run, args=(work,), daemon=True).start()
        begun.wait()
    """)
    assert (status, out) == (0, "done\n"), err


def test_calls_that_outlast_the_grace_are_cancelled_at_exit():
    """They get their CancelledError, and may clean up."""
    status, out, err = python("""
        import asyncio, threading, weft
        weft.configure(grace=0.1)
        begun = threading.Event()
        async def work(_):
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                print("cleaned up", flush=True)
        threading.Thread(target=lambda: weft.map(work, [1]).outcomes(), daemon=True).start()
        begun.wait()
    """)
    assert (status, out) == (0, "cleaned up\n"), err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_waiting_process_at_once(number):
    """Ctrl-C cancels what runs and leaves as KeyboardInterrupt; SIGTERM ends the process; neither hangs."""
    script = textwrap.dedent("""
        import asyncio, threading, weft
        async def forever():
            print("ready", flush=True)
            try:
                await asyncio.Event().wait()
            finally:
                print("cleaned up", flush=True)
        with weft.scope() as scope:
            scope.start(forever)
            scope.start(threading.Event().wait)
    """)
    running = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout.readline() == "ready\n"
    running.send_signal(number)
    out, err = running.communicate(timeout=5)
    if number is signal.SIGINT:
        assert "KeyboardInterrupt" in err
        assert "cleaned up" in out
    else:
        assert running.returncode == -signal.SIGTERM


def test_every_call_to_a_closed_loop_is_told_so():
    """Not the first alone: a scope whose loop has gone ends with an error, and does not wait for ever."""
    said = []
    with pytest.raises(WeftError, match="has been closed"), weft.scope() as scope:
        scope.start(double, 1).result()
        weft.close(grace=0)
        for _ in range(2):
            with pytest.raises(WeftError, match="has been closed") as told:
                scope.start(double, 2)
            said.append(told.value)
    assert len(said) == 2


def test_a_fork_while_another_thread_holds_a_lock_of_the_scopes_leaves_the_child_whole():
    """The locks are new in the child: those of the parent would stay held by a thread that is not there."""
    status, out, err = python("""
        import os, signal, threading, weft
        from weft.scopes import scope, task
        held, go = threading.Event(), threading.Event()

        def hold():
            with scope._opening, task._ending:
                held.set()
                go.wait()

        threading.Thread(target=hold).start()
        held.wait()
        if (child := os.fork()) == 0:
            signal.alarm(10)
            os._exit(weft.run(lambda: 42))
        go.set()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert (status, out.strip(), err) == (0, "42", "")


def test_a_fork_inside_a_scope_gives_the_child_loops_of_its_own():
    """The scope around it stayed with the parent: its deadline counts, its loop is not there."""
    status, out, err = python("""
        import asyncio, os, signal, weft

        def fork():
            if (child := os.fork()) == 0:
                signal.alarm(10)
                with weft.scope() as inner:
                    bounded = inner.remaining is not None
                    os._exit(inner.start(lambda: 40).result() + bounded)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

        async def main():
            async with weft.scope(deadline=20) as scope:
                print(await scope.start(fork))

        asyncio.run(main())
    """)
    assert (status, out.strip(), err) == (0, "41", "")
