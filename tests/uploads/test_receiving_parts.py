"""The parts of receiving: reading forms, names, counting, the spool, and what is left where something fails."""

import asyncio
import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bodies import BOUNDARY, FORM, Environ, form, part
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InvalidCall, InvalidValue
from weft.uploads.arriving import arrival, spools
from weft.uploads.arriving.admission import Admission
from weft.uploads.arriving.arrival import Arrival
from weft.uploads.arriving.filenames import harmless
from weft.uploads.arriving.forms import FileHead, form_of
from weft.uploads.arriving.intake import Intake
from weft.uploads.arriving.receiving import receive
from weft.uploads.errors import StorageError, UploadRefused
from weft.uploads.storing.local import LocalStorage

FILE = part("photo", b"x" * 10_000, "x.bin")
INTAKE = Intake()


@pytest.fixture(autouse=True)
def _close_spools():
    yield
    spools.close()


@pytest.fixture
def storage(tmp_path):
    return LocalStorage(tmp_path / "kept")


@pytest.fixture
def begin(storage):
    """Begin an arrival, and tell how much is counted of all."""
    counted = Admission()

    def begin(announced=None, intake=INTAKE, storage=storage):
        ticket = counted.enter("ada", intake)
        return Arrival(form_of(FORM, announced, intake, None), announced, storage, storage.spool, ticket)

    begin.counted = counted
    return begin


def left(storage):
    """Files in the storage and on their way."""
    return [path.name for path in storage.folder.rglob("*") if path.is_file()]


# -- forms


def read(data, cuts):
    """What a form says, whose bytes come in pieces."""
    found = form_of(FORM, None, Intake(field_size=100_000), None)
    events, files = [], []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        events += found.feed(data[start:end])
    events += found.end()
    for event in events:
        if isinstance(event, FileHead):
            files.append((event, bytearray()))
        elif event is not None:
            files[-1][1].extend(event)
    return [(head.field, head.filename, bytes(data)) for head, data in files], found.fields


@given(
    content=st.lists(st.sampled_from([b"\r\n", b"--", BOUNDARY.encode(), b"\r", b"\n", b"x" * 50]), min_size=1),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_a_form_says_the_same_wherever_it_is_cut(content, cuts):
    """Files and fields come out as they are, whatever pieces they come in, and however like a boundary."""
    content = b"".join(content).replace(b"\r\n--" + BOUNDARY.encode(), b"")
    if content.startswith(b"--" + BOUNDARY.encode()):
        content = b"x" + content
    data = form(part("a", content, "a.bin"), part("t", b"text"), part("b", content, "b.bin"))
    cuts = sorted({cut for cut in cuts if 0 < cut < len(data)})
    files, fields = read(data, cuts)
    assert files == [("a", "a.bin", content), ("b", "b.bin", content)]
    assert fields == {"t": ["text"]}


@given(st.binary(max_size=2000))
def test_any_bytes_are_a_form_or_refused(data):
    """Nothing else is raised."""
    found = form_of(FORM, None, INTAKE, None)
    with pytest.raises(UploadRefused) as caught:
        list(found.feed(data))
        list(found.end())
    assert caught.value.status in {400, 413, 422}


def test_a_boundary_that_is_nearly_there_all_the_time_costs_no_more():
    """A file full of beginnings of the boundary is read about as fast as any other."""
    from time import process_time

    def cost(content):
        data = form(part("a", content, "a.bin"))
        begun = process_time()
        read(data, range(65_536, len(data), 65_536))
        return process_time() - begun

    near = ("\r\n--" + BOUNDARY)[:-1].encode()
    plain = min(cost(b"x" * 4_000_000) for _ in range(3))
    assert min(cost((near * (4_000_000 // len(near) + 1))[:4_000_000]) for _ in range(3)) < 30 * plain + 0.05


@given(st.text(max_size=400))
def test_names_are_harmless(name):
    """Whatever a client calls its file: one line of at most 120 signs, no path, nothing that cannot be seen."""
    shown = harmless(name)
    assert len(shown) <= 120
    assert shown.isprintable()
    assert not set(shown) & set("/\\")
    assert not shown.startswith(".")
    assert harmless(shown) == shown


@pytest.mark.parametrize("name", ["file_size", "total", "files", "seconds", "spool", "per_user"])
def test_bounds_that_let_nothing_through(name):
    """They are refused."""
    with pytest.raises(InvalidValue, match=f"{name}=0"):
        Intake(**{name: 0})


# -- an arrival


def test_all_files_or_none(begin, storage):
    """Nothing is in the storage before the end; then everything is, and nothing is on its way."""
    one = begin()
    one.take([form(FILE, FILE)])
    assert [path for path in storage.folder.iterdir() if path.is_file()] == []
    files, _, discard = one.finish()
    assert sorted(left(storage)) == sorted(upload.key for upload in files["photo"])
    discard()
    assert left(storage) == []
    assert begin.counted.under_way == 0


def test_a_full_disk(begin, storage, monkeypatch):
    """Where the disk is full in the middle of a file, it is told as such, and nothing is left."""

    def full(_file, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    one = begin()
    one.take([FILE])
    monkeypatch.setattr(arrival.os, "write", full)
    with pytest.raises(StorageError) as caught:
        one.take([form(FILE)])
    assert caught.value.errno == errno.ENOSPC
    assert left(storage) == []
    assert begin.counted.under_way == 0


def test_a_write_that_takes_a_part(begin, storage, monkeypatch):
    """The rest is written as well."""
    write = os.write
    monkeypatch.setattr(arrival.os, "write", lambda file, data: write(file, data[:1000]))
    one = begin()
    one.take([form(FILE)])
    files, _, _ = one.finish()
    assert (storage.folder / files["photo"][0].key).read_bytes() == b"x" * 10_000


def test_the_spool_has_an_end(begin, storage):
    """All uploads under way have so many bytes together; what goes beyond is refused with 429, and leaves nothing."""
    intake = Intake(spool=15_000)
    one = begin(intake=intake)
    one.take([FILE])
    with pytest.raises(UploadRefused) as caught:
        begin(intake=intake).take([FILE])
    assert (caught.value.status, caught.value.reason) == (429, "spool")
    assert len(left(storage)) == 1
    one.abort()
    assert left(storage) == []
    assert begin.counted.under_way == 0


def test_more_or_less_than_was_announced(begin, storage):
    """A request that is shorter, or longer, than it said is refused."""
    for announced in (100_000, 100):
        one = begin(announced)
        one.take([form(FILE)])
        with pytest.raises(UploadRefused) as caught:
            one.finish()
        assert caught.value.reason == "incomplete"
    assert left(storage) == []


class Held(LocalStorage):
    """One whose `put` waits."""

    def __init__(self, folder):
        super().__init__(folder)
        self.putting, self.go_on = threading.Event(), threading.Event()

    def put(self, source, key):
        self.putting.set()
        self.go_on.wait(20)
        super().put(source, key)


def test_one_that_is_given_up_while_it_is_kept(begin, tmp_path):
    """`abort` does not wait for the storage; what it had kept is taken back when it comes to its end."""
    storage = Held(tmp_path / "kept")
    one = begin(storage=storage)
    one.take([form(FILE, FILE)])
    thread = threading.Thread(target=one.finish)
    thread.start()
    assert storage.putting.wait(20)
    one.abort()
    assert left(storage)
    storage.go_on.set()
    thread.join()
    assert left(storage) == []
    assert begin.counted.under_way == 0
    with pytest.raises(UploadRefused):
        one.take([FILE])


# -- spools


def test_what_dead_processes_have_left_is_swept(tmp_path):
    """The folder of a process that was killed goes, however young; that of one that lives stays, however old."""
    code = (
        "import sys; from pathlib import Path; from weft.uploads.arriving.spools import spool_in\n"
        "print(spool_in(Path(sys.argv[1])).create()[0], flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "spool")]
    dead, alive = (subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2))
    with dead, alive:
        theirs, living = (process.stdout.readline().strip() for process in (dead, alive))
        os.utime(living, (0, 0))
        dead.kill()
        dead.wait()
        assert os.path.exists(theirs)  # noqa: PTH110 - a path as text
        spools.spool_in(tmp_path / "spool")
        assert not os.path.exists(theirs)  # noqa: PTH110
        assert os.path.exists(living)  # noqa: PTH110
        alive.stdin.close()
        alive.wait()
    assert not os.path.exists(living), "a process that ends in order takes its folder along"  # noqa: PTH110


def test_a_folder_that_others_can_write_to(tmp_path):
    """Nothing is received there."""
    tmp_path.chmod(0o777)
    with pytest.raises(StorageError, match="0700"):
        spools.spool_in(tmp_path)


def test_a_forked_child_has_a_spool_of_its_own(tmp_path):
    """It lets go of its parent's lock, and its parent keeps it."""
    ours = spools.spool_in(tmp_path / "spool")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            own = spools.spool_in(tmp_path / "spool")
            held = {file.resolve() for file in Path("/proc/self/fd").iterdir()}
            apart = own.folder != ours.folder and ours.folder.exists()
            status = 0 if apart and ours.folder not in held and own.folder in held else 2
            own.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    other = os.open(ours.folder, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


# -- the function itself


def test_it_blocks_in_a_thread_and_is_awaited_on_a_loop(storage):
    """One function: it returns what was received, or what is to be awaited."""
    received = receive(Environ(form(FILE, part("t", b"a"), part("t", b"b"))), storage=storage)
    assert received["photo"].size == 10_000
    assert ("photo" in received, list(received), len(received)) == (True, ["photo"], 1)
    assert (received.text("t"), received.text("u", "none")) == ("b", "none")
    assert received.get_all("photos") == ()
    with pytest.raises(UploadRefused) as caught:
        received["photos"]
    assert (caught.value.status, caught.value.reason) == (422, "missing")

    async def view():
        pending = receive(Environ(form(FILE)), storage=storage)
        with pytest.raises(InvalidCall, match="await"):
            pending.files  # noqa: B018 - it raises
        return await pending

    later = asyncio.run(view())
    assert later["photo"].digest == received["photo"].digest
    later.discard()
    received.discard()
    assert left(storage) == []


class Streamed:
    """What there is of a request of ASGI."""

    def __init__(self, *pieces, ends=True):
        self.scope, self.headers = {}, {"content-type": FORM}
        self.pieces, self.ends, self.given = pieces, ends, asyncio.Event()

    async def stream(self):
        for piece in self.pieces:
            yield piece
        self.given.set()
        if not self.ends:
            await asyncio.Event().wait()


def test_the_loop_goes_on_while_the_disk_is_slow(storage, monkeypatch):
    """Writing is waited for on a thread: what the loop has to do meanwhile is done."""
    write, begun, go_on = os.write, threading.Event(), threading.Event()

    def slow(file, data):
        begun.set()
        assert go_on.wait(20), "the loop stands still"
        return write(file, data)

    monkeypatch.setattr(arrival.os, "write", slow)

    async def free():
        while not begun.is_set():
            await asyncio.sleep(0)
        go_on.set()

    async def main():
        async def view():
            return await receive(Streamed(form(FILE)), storage=storage)

        received, _ = await asyncio.gather(view(), free())
        return received

    assert asyncio.run(main())["photo"].size == 10_000


def test_what_is_refused_is_told_at_once(storage):
    """A file that is too large is refused when that has been seen, though the client sends no more."""

    async def main():
        request = Streamed(part("photo", b"x" * 2_000_000, "x.bin")[:-2], ends=False)

        async def drip():
            while True:
                yield b"x"
                await asyncio.sleep(0.001)

        first = request.stream

        async def stream():
            async for piece in first():
                yield piece
                break
            async for piece in drip():
                yield piece

        request.stream = stream
        with pytest.raises(UploadRefused) as caught:
            await receive(request, Intake(file_size=1_000_000, seconds=20), storage=storage)
        return caught.value.status

    assert asyncio.run(main()) == 413


def test_a_view_that_is_cancelled(storage):
    """What has come by then is removed, by whoever is at it."""

    async def main():
        request = Streamed(part("photo", b"x" * 2_000_000, "x.bin")[:-2], b"x" * 1_500_000, ends=False)

        async def view():
            return await receive(request, storage=storage)

        task = asyncio.create_task(view())
        await request.given.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    end = threading.Event()
    for _ in range(500):
        if not left(storage):
            break
        end.wait(0.01)
    assert left(storage) == []


@pytest.mark.parametrize("request_", [None, object(), {"files": 1}])
def test_what_is_no_request(request_):
    """It is refused with what to pass."""
    with pytest.raises(InvalidCall, match="Flask, Django, FastAPI"):
        receive(request_)
