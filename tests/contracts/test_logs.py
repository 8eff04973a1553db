"""What a log promises, asked of both kinds of memory: a file that outlives the process, and memory that does not.

What only the first can promise, that a kill loses nothing, is in `tests/logs/test_kills.py`.
"""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from weft import clock
from weft.logs.log import Log
from weft.logs.opening import open_log
from weft.logs.overload import Overload
from weft.logs.ring.frame import frame, records
from weft.logs.ring.places import Place
from weft.logs.ring.places import rings as rings_in
from weft.logs.targets.locking import locked

SOON = 30.0  # seconds for what must happen; not a time that any test waits
SIZE = 256 << 10
LINE = b"x" * 1023 + b"\n"
ROOM = SIZE // len(LINE)  # lines that fit into the ring


class Sink:
    """A target that can be stalled, and can fail."""

    name = key = "sink"
    rotations = 0

    def __init__(self):
        self.on_unfinished = None
        self.flowing = threading.Event()
        self.flowing.set()
        self.reached = threading.Event()  # somebody waits for the flow, or has failed
        self.failures = []
        self.data = b""
        self.closed = False

    @contextmanager
    def turn(self):
        yield

    def append(self, frames, ledger):
        if not self.flowing.is_set():
            self.reached.set()
        assert self.flowing.wait(SOON)
        if self.failures:
            self.reached.set()
            raise self.failures.pop()
        ledger.begin((0, 0, 0), len(frames))
        self.data += records(frames)
        ledger.commit(len(frames))
        return len(frames)

    def written_since(self, _mark, _most):
        return b"", False

    def close(self):
        self.closed = True

    def disown(self):
        raise AssertionError

    @property
    def lines(self):
        return self.data.splitlines(keepends=True)


@pytest.fixture(params=["a file", "memory"])
def place(request, tmp_path):
    return Place(tmp_path / "rings", "sink") if request.param == "a file" else None


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def make(place, sink):
    made = []

    def make_it(**overload):
        made.append(Log(sink, overload=Overload(**overload), size=SIZE, place=place))
        return made[-1]

    yield make_it
    sink.flowing.set()
    for log in made:
        log.close(SOON)
    assert place is None or rings_in(place.folder) == []


@pytest.fixture(autouse=True)
def _no_leaks(no_leaks):
    """A log leaves no thread and no descriptor behind."""


def fill(log, sink, lines=ROOM):
    """Stall the sink, and fill the ring behind it."""
    sink.flowing.clear()
    log.write(LINE)
    assert sink.reached.wait(SOON)  # the writer has taken that line, and cannot get rid of it
    for _ in range(lines - 1):
        log.write(LINE)


def test_lines_are_written_in_order(make, sink):
    """What one thread writes comes out in the same order, each line once, through many rounds of the ring."""
    log, lines = make(), [b"%d %s\n" % (number, b"y" * 500) for number in range(3000)]
    for line in lines:
        log.write(line)
    assert log.drain(SOON)
    assert sink.lines == lines
    assert log.statistics().lines == 3000


def test_many_threads_lose_nothing(make, sink):
    """Eight threads that are interrupted all the time: each one's lines are there once, whole and in order."""
    log, barrier = make(), threading.Barrier(8)

    def write(number):
        barrier.wait()
        for count in range(2000):
            log.write(b"%d %d %s\n" % (number, count, b"z" * 90))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)
    finally:
        sys.setswitchinterval(before)
    assert log.drain(SOON)
    found = {}
    for line in sink.lines:
        number, count, rest = line.split()
        assert rest == b"z" * 90
        found.setdefault(number, []).append(int(count))
    assert found == {b"%d" % number: list(range(2000)) for number in range(8)}


def test_a_stalled_target_stalls_nobody(make, sink):
    """While the target takes nothing, lines are taken until the ring is full; then all are written."""
    log = make()
    fill(log, sink)
    sink.flowing.set()
    assert log.drain(SOON)
    assert sink.lines == [LINE] * ROOM
    assert log.statistics().dropped == 0


def test_a_full_log_makes_its_callers_wait(make, sink):
    """Block: a line for which there is no room is taken as soon as there is."""
    log = make(policy="block", timeout=SOON)
    fill(log, sink)
    waiting = threading.Thread(target=log.write, args=(b"waited\n",))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    sink.flowing.set()
    waiting.join(SOON)
    assert log.drain(SOON)
    assert sink.lines[-1] == b"waited\n"
    assert len(sink.lines) == ROOM + 1


def test_a_stall_holds_everybody_up_once(make, sink):
    """A full log waits `timeout` seconds from the moment at which the log was full; after that lines are given up."""
    log, times = make(policy="block", timeout=5.0), iter([100.0, 105.0, 106.0])
    fill(log, sink)
    before = clock.install(lambda: next(times))
    try:
        log.write(LINE)  # full since 100; at 105 its time is over
        log.write(LINE)  # at 106 it has long been
    finally:
        clock.install(before)
    assert log.statistics().dropped == 2


def test_new_lines_are_given_up_and_counted(make, sink):
    """drop_new: the ring's lines are kept, the rest is counted, and the log itself says how many."""
    log = make(policy="drop_new")
    fill(log, sink)
    for number in range(7):
        log.write(b"%d" % number + LINE)
    sink.flowing.set()
    assert log.drain(SOON)
    notice = b"7 lines were given up: they came faster than they could be written\n"
    assert sorted(sink.lines) == sorted([LINE] * ROOM + [notice])
    assert log.statistics().dropped == 7


def test_old_lines_are_given_up_and_counted(make, sink):
    """drop_old: the newest lines are kept, the oldest that nobody is writing are given up, and counted."""
    log, lines = make(policy="drop_old"), [b"%05d %s\n" % (number, b"y" * 1017) for number in range(4 * ROOM)]
    fill(log, sink)
    for line in lines:
        log.write(line)
    sink.flowing.set()
    assert log.drain(SOON)
    dropped = log.statistics().dropped
    kept = [line for line in sink.lines if line in set(lines)]
    assert kept == lines[-len(kept) :]
    assert dropped == ROOM + len(lines) - (len(sink.lines) - 1)
    assert [line for line in sink.lines if line.startswith(b"%d lines were given up" % dropped)]


def test_lines_of_low_levels_are_shed_first(make, sink):
    """Above the high-water mark the floor rises, and falls again when the ring has been drained."""
    log = make(shed_below=30, high_water=0.5)
    log.write(LINE)
    assert log.floor == 0
    fill(log, sink, ROOM * 3 // 4)
    assert log.floor == 30
    log.shed()
    sink.flowing.set()
    assert log.drain(SOON)
    log.write(LINE)
    assert log.drain(SOON)
    assert log.floor == 0
    assert log.statistics().dropped == 1


def test_a_target_that_fails_gets_its_lines_later(make, sink, capfd):
    """A full disk: the lines are kept, the operator is told once, and the log says how long it could not be written."""
    log = make()
    sink.failures = [OSError(28, "No space left on device")] * 3
    log.write(b"one\n")
    assert sink.reached.wait(SOON)
    log.write(b"two\n")
    assert log.drain(SOON)
    assert log.drain(SOON)
    assert sink.lines[:2] == [b"one\n", b"two\n"]
    assert b"could not be written for" in sink.lines[2]
    assert capfd.readouterr().err.count("cannot write to sink") == 1
    assert (log.statistics().errors, log.statistics().troubled) == (3, None)


def test_a_record_larger_than_a_segment_is_written_in_its_place(make, sink):
    """10 MB in one record come behind what the same thread wrote before, and before what it writes next."""
    log, huge = make(), b"h" * 10_000_000 + b"\n"
    log.write(b"one\n")
    log.write(huge)
    log.write(b"two\n")
    assert log.drain(SOON)
    assert sink.lines == [b"one\n", huge, b"two\n"]


def test_a_huge_record_is_given_up_where_the_target_stalls(make, sink):
    """Behind a stalled target, a record that the ring cannot hold waits for the timeout, and is counted."""
    log = make(timeout=0.0)
    fill(log, sink)
    log.write(b"h" * SIZE + b"\n")
    assert log.statistics().dropped == 1


def test_closing_writes_what_there_is(make, sink):
    """`close` writes the last line, and a line that comes later is written by its caller."""
    log = make()
    log.write(b"one\n")
    assert log.close(SOON)
    assert sink.lines == [b"one\n"]
    assert sink.closed
    sink.closed = False
    log.write(b"late\n")
    assert sink.lines == [b"one\n", b"late\n"]
    assert sink.closed
    assert log.close(SOON)


def test_lines_that_meet_the_end_are_not_lost(make, sink):
    """Threads that write while the log is closed: every line that was taken is written."""
    log, barrier = make(), threading.Barrier(5)

    def write(number):
        barrier.wait()
        for count in range(500):
            log.write(b"%d %d\n" % (number, count))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    barrier.wait()
    log.close(SOON)
    for thread in threads:
        thread.join(SOON)
    assert sorted(sink.lines) == sorted(b"%d %d\n" % (number, count) for number in range(4) for count in range(500))


def test_a_target_that_is_stuck_does_not_hold_the_exit_up(make, sink, capfd):
    """`close` gives up after its seconds, and says what becomes of the lines."""
    log = make()
    sink.flowing.clear()
    log.write(b"one\n")
    assert sink.reached.wait(SOON)
    writer = log._writer
    assert not log.close(0.01)
    assert "did not take the last lines" in capfd.readouterr().err
    sink.flowing.set()
    writer._thread.join(SOON)
    writer._ring.storage.close(remove=True)


def test_what_cannot_be_written_at_the_end_waits_for_the_next(place, sink, capfd):
    """A target that fails at the end: the lines stay in the ring's file, where there is one; and it is said."""
    log = Log(sink, overload=Overload(), size=SIZE, place=place)
    sink.failures = [OSError(28, "No space left on device")] * 100
    log.write(b"one\n")
    assert not log.close(SOON)
    said = capfd.readouterr().err
    if place is None:
        assert "They are lost" in said
        return
    assert "The next process" in said
    again = Log(sink, overload=Overload(), size=SIZE, place=Place(place.folder, "sink"))
    sink.failures.clear()
    again.write(b"two\n")
    assert again.close(SOON)
    assert sorted(sink.lines) == [b"one\n", b"two\n"]
    assert again.statistics().recovered == 1


def test_a_signal_handler_may_log(make, sink):
    """A handler that logs in the middle of a log call, also while that one waits for room, ends in no deadlock."""
    log = make(policy="block", timeout=SOON)
    fill(log, sink)

    def handler(*_):
        sink.flowing.set()
        log.write(b"handler\n")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        log.write(b"caller\n")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert log.drain(SOON)
    assert sorted(sink.lines[ROOM:]) == [b"caller\n", b"handler\n"]


def test_a_log_starts_nothing_before_its_first_line(make, place):
    """No ring, no thread: a server that loads its app and forks pays for neither."""
    before = threading.active_count()
    log = make()
    assert threading.active_count() == before
    assert place is None or rings_in(place.folder) == []
    assert log.close(SOON)


# -- with a real file and real processes


@pytest.fixture(params=["a file", "memory"])
def ring(request, tmp_path):
    """What to give as the option `ring`."""
    return str(tmp_path / "rings") if request.param == "a file" else False


def test_forked_children_write_their_own_lines(ring, tmp_path):
    """Children forked at any moment, from a process that logs on four threads: every line is there once."""
    path = tmp_path / "app.log"
    code = f"""
import os, sys, threading, warnings
warnings.simplefilter("ignore")  # what Python 3.12 says of forking with threads
from weft.logs.opening import open_log
from weft.logs.ring.frame import frame
log = open_log({str(path)!r}, {{"ring": {ring!r}}}, frame)
over = threading.Event()
def chatter(number):
    count = 0
    while not over.is_set() and count < 20000:
        log.write(b"parent %d %d\\n" % (number, count)); count += 1
    total[number] = count
total = {{}}
threads = [threading.Thread(target=chatter, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for child in range(30):
    pid = os.fork()
    if not pid:
        for line in range(3): log.write(b"child %d %d\\n" % (child, line))
        log.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
over.set()
for thread in threads: thread.join()
log.close()
print(sum(total.values()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SOON, check=False)
    assert done.returncode == 0, done.stderr
    lines = path.read_bytes().splitlines()
    assert len(lines) == len(set(lines)) == int(done.stdout) + 90
    assert {line for line in lines if line.startswith(b"child")} == {
        b"child %d %d" % (child, line) for child in range(30) for line in range(3)
    }


def test_processes_share_a_file_and_its_rotation(ring, tmp_path):
    """Four processes with two threads each, and a rotation every 16 KiB: no line is lost, torn or written twice."""
    path = tmp_path / "app.log"
    code = f"""
import sys, threading
from weft.logs.opening import open_log
from weft.logs.ring.frame import frame
log = open_log({str(path)!r}, {{"ring": {ring!r}, "max_bytes": 16384}}, frame)
def write(number):
    for count in range(1000): log.write(b"%s-%d %d %s\\n" % (sys.argv[1].encode(), number, count, b"y" * 60))
threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert log.close()
"""
    running = [subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(number)]) for number in range(4)]
    assert [process.wait(SOON) for process in running] == [0] * 4
    found = {}
    files = sorted(tmp_path.glob("app.log*"), key=lambda each: (each.name == "app.log", each.name))
    for line in b"".join(each.read_bytes() for each in files).splitlines():
        who, count, rest = line.split()
        assert rest == b"y" * 60
        found.setdefault(who, []).append(int(count))
    assert found == {b"%d-%d" % (process, thread): list(range(1000)) for process in range(4) for thread in range(2)}
    assert len(files) > 30
    assert all(each.stat().st_size <= 16384 for each in files)


def test_a_pipe_gets_whole_lines_however_long(ring, tmp_path):
    """Four processes write 20 kB lines into one named pipe: the reader sees each whole."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code = f"""
import sys
from weft.logs.opening import open_log
from weft.logs.ring.frame import frame
log = open_log({str(pipe)!r}, {{"ring": {ring!r}}}, frame)
for count in range(30): log.write(sys.argv[1].encode() * 20000 + b"\\n")
assert log.close(20)
"""
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    last = os.open(pipe, os.O_WRONLY)  # the stream ends when this one is closed
    running = [subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(number)]) for number in range(4)]
    os.set_blocking(reader, True)
    with open(reader, "rb") as stream, ThreadPoolExecutor() as pool:  # noqa: PTH123 - a descriptor
        data = pool.submit(stream.read)
        assert [process.wait(SOON) for process in running] == [0] * 4
        os.close(last)
    assert sorted(data.result().splitlines()) == sorted(
        b"%d" % number * 20000 for number in range(4) for _ in range(30)
    )


def test_a_file_that_was_deleted_is_made_again(ring, tmp_path):
    """Somebody deletes the log and its folder: the next lines are in a new one."""
    path = tmp_path / "logs" / "app.log"
    log = open_log(path, {"ring": ring}, frame)
    log.write(b"one\n")
    assert log.drain(SOON)
    path.unlink()
    path.parent.rmdir()
    log.write(b"two\n")
    assert log.close(SOON)
    assert path.read_bytes() == b"two\n"


def test_a_disk_that_is_full_for_a_while(ring, tmp_path):
    """The kernel refuses to let the file grow, as on a full disk, within a line: all come later, each once."""
    path = tmp_path / "app.log"
    code = f"""
import resource, threading
from weft.logs.opening import open_log
from weft.logs.ring.frame import frame
log = open_log({str(path)!r}, {{"ring": {ring!r}}}, frame)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
for number in range(100): log.write(b"%d %s\\n" % (number, b"y" * 30))
while not log.statistics().errors: log.drain(0.01)
full = open({str(path)!r}, "rb").read()
assert 900 < len(full) <= 1000 and full.endswith(b"\\n"), full
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert log.close(20)
"""
    setup = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    if ring:  # its file has to have its size before
        code = code.replace("resource.setrlimit", 'log.write(b"first\\n"); log.drain(20); resource.setrlimit', 1)
    done = subprocess.run(
        [sys.executable, "-c", setup + code], capture_output=True, text=True, timeout=SOON, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in path.read_bytes().splitlines() if line[:1].isdigit()]
    assert lines == [b"%d %s" % (number, b"y" * 30) for number in range(100)]
    assert done.stderr.count("cannot write to") == 1


def test_a_late_line_does_not_wait_for_a_stuck_target(make, sink, capfd):
    """After a `close` that had to give up, a line that comes still later is given up as well, and nobody hangs."""
    log = make(timeout=0.01)
    sink.flowing.clear()
    log.write(b"one\n")
    assert sink.reached.wait(SOON)
    writer = log._writer
    assert not log.close(0.01)
    log.write(b"late\n")
    assert log.statistics().dropped == 1
    sink.flowing.set()
    writer._thread.join(SOON)
    writer._ring.storage.close(remove=True)


def test_nobody_closes_the_target_under_a_stuck_writer(make, sink, capfd):
    """A second `close`, as at exit, leaves the descriptor to the thread that is writing to it: it could be reused."""
    log = make()
    sink.flowing.clear()
    log.write(b"one\n")
    assert sink.reached.wait(SOON)
    writer = log._writer
    assert not log.close(0.01)
    assert not log.close(0.01)
    assert not sink.closed
    sink.flowing.set()
    writer._thread.join(SOON)
    assert log.close()
    assert sink.closed
    writer._ring.storage.close(remove=True)


def test_any_trouble_of_the_target_is_got_over(make, sink, capfd):
    """An error that nobody thought of does not end the writing thread: the line is written at the next try."""
    log = make()
    sink.failures = [ZeroDivisionError("who would have thought")]
    log.write(b"one\n")
    assert log.drain(SOON)
    assert sink.lines[0] == b"one\n"
    assert "who would have thought" in capfd.readouterr().err


def test_a_worker_that_is_not_root_any_more_goes_on_logging(tmp_path):
    """A server opens the log as root, and its workers become another user: their lines come, also those of a kill."""
    if os.getuid():
        pytest.skip("only root can become another user")
    path = tmp_path / "app.log"
    code = f"""
import os, signal, sys, warnings
warnings.simplefilter("ignore")
from weft.logs.opening import open_log
from weft.logs.ring.frame import frame
os.umask(0o077)
log = open_log({str(path)!r}, {{}}, frame)
log.write(b"master\\n"); log.drain(20)
def worker(last):
    pid = os.fork()
    if not pid:
        os.setgid(65534); os.setuid(65534)
        log.write(b"worker\\n")
        assert log.drain(20)
        assert log.statistics().survives and log._place.folder.name == "weft-logs-65534"
        if last: log.close(); os._exit(0)
        log.write(b"killed\\n"); os.kill(os.getpid(), signal.SIGKILL)
    return os.waitpid(pid, 0)[1]
assert worker(False) == signal.SIGKILL
assert worker(True) == 0
log.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SOON, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.read_text().split()) == ["killed", "master", "worker", "worker"]


def test_a_signal_handler_may_log_while_the_first_line_is_on_its_way(make, sink, monkeypatch):
    """A handler that logs while the ring is being made makes it: there is one ring, and one thread."""
    log, before = make(), threading.active_count()
    plain = log._storage

    def interrupted():
        monkeypatch.undo()
        log.write(b"handler\n")
        return plain()

    monkeypatch.setattr(log, "_storage", interrupted)
    log.write(b"caller\n")
    assert threading.active_count() == before + 1
    assert log.drain(SOON)
    assert sink.lines == [b"handler\n", b"caller\n"]


def test_an_interrupted_call_does_not_silence_the_log(make, sink, monkeypatch):
    """An exception out of a signal handler, in the middle of waking the writer, costs the lines after it nothing."""
    log = make()
    log.write(b"one\n")
    assert log.drain(SOON)
    bell = log._bell
    while not bell.waiting:
        pass

    def interrupted():
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(bell, "_gate", SimpleNamespace(release=interrupted, locked=lambda: True))
    with pytest.raises(KeyboardInterrupt):
        log.write(b"two\n")
    sink.reached.clear()
    sink.flowing.clear()
    log.write(b"three\n")
    assert sink.reached.wait(5)
    sink.flowing.set()
    assert log.drain(SOON)
    assert sink.lines == [b"one\n", b"two\n", b"three\n"]


def test_lines_that_are_given_up_while_it_is_told_are_told_next(make, sink):
    """What a log says that it has given up is, added up, what it has given up."""
    log, append = make(), sink.append

    def slow(frames, ledger):
        if b"given up" in frames and not sink.reached.is_set():
            sink.reached.set()
            log.shed()
        return append(frames, ledger)

    sink.append = slow
    log.shed()
    log.write(b"one\n")
    assert log.drain(SOON)
    log.write(b"two\n")
    assert log.close(SOON)
    assert [line for line in sink.lines if b"given up" in line] == [
        b"1 lines were given up: they came faster than they could be written\n"
    ] * 2


def test_the_end_does_not_wait_for_whoever_has_the_turn(ring, tmp_path):
    """Somebody who holds the file's lock, stopped perhaps, holds `close` up for its seconds and no longer."""
    path = tmp_path / "app.log"
    log = open_log(path, {"ring": ring}, frame)
    log.write(b"one\n")
    assert log.drain(SOON)
    writer = log._writer
    with path.open("rb") as other, locked(other.fileno()):
        log.close(0.05)
    assert path.read_bytes() == b"one\n"
    writer._thread.join(SOON)  # which had nothing more to write, and waited for the turn to take its leave
    writer._ring.storage.close(remove=True)
    log.target.close()


def test_a_flush_and_figures_that_meet_the_end(make, sink):
    """Threads that flush and look at the figures while the log is closed are told what there is, and no error."""
    log, over, errors = make(), threading.Event(), []

    def look():
        while not over.is_set():
            try:
                log.statistics()
                log.drain(SOON)
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        log.write(LINE)
    log.close(SOON)
    over.set()
    for thread in threads:
        thread.join(SOON)
    assert errors == []
