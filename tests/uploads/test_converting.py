"""Facts about carrying recipes out: where, when, and what becomes of the files."""

import asyncio
import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import recipes
from recipes import Alone, Apart, Copy
from sample_pictures import Folder, photo, quarters, save

import weft
from weft.calls.budgets import SharedBudget
from weft.errors import DeadlineExceeded, InvalidCall, InvalidValue, Overloaded, WorkerCrashed
from weft.uploads import (
    CONVERSIONS,
    Conversion,
    Image,
    Limits,
    Made,
    StorageError,
    Thumbnails,
    Upload,
    UploadRefused,
    Where,
    convert,
    convert_file,
    memory_budget,
)
from weft.uploads.converting import places, workplaces
from weft.uploads.storing import storages

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(scope="module", autouse=True)
def home():
    """The folder in which this process works; its lock is kept open for the life of the process."""
    return workplaces._home_of_this_process()


@pytest.fixture(autouse=True)
def _as_at_the_beginning(no_leaks, home):
    recipes.reset()
    yield
    recipes.gate.set()
    places.close()
    places._budget = None
    weft.close(grace=5)
    assert not list(home.iterdir()), "folders left behind"


@pytest.fixture
def storage(tmp_path):
    made = Folder(tmp_path / "kept")
    before = storages.install(made)
    yield made
    storages.install(before)


@pytest.fixture
def picture(tmp_path):
    return save(quarters(), tmp_path / "a.jpg")


def test_the_result_is_in_the_storage(storage, picture):
    """Under a key of our own, with its format, size, digest, a harmless name and the seconds of each stage."""
    made = convert(picture, Image(width=60, format="webp"))
    content = (storage.path / made.key).read_bytes()
    assert made.key.endswith(".webp")
    assert len(made.key) == 32 + len(".webp")
    assert (made.format, made.size, made.filename) == ("webp", len(content), "a.webp")
    assert made.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert set(made.seconds) == {"inspect", "wait", "convert", "store"}
    assert all(value >= 0 for value in made.seconds.values())


def test_an_upload_is_converted_and_stays(storage, picture):
    """What is in the storage is read from there, and is there afterwards."""
    before = convert(picture, Image())
    after = convert(before, Image(width=30, format="png"))
    assert (storage.path / before.key).exists()
    assert after.filename == "a.png"
    with pytest.raises(FileNotFoundError):
        convert(Upload("missing", 0, ""), Image())


def test_async_code_awaits_the_same_call(storage, picture):
    """In a coroutine `convert` is awaited, and the loop goes on meanwhile."""

    async def main():
        return await convert(picture, Image(width=60))

    assert asyncio.run(main()).format == "jpeg"


def test_the_loop_is_not_blocked(storage, tmp_path):
    """While a large photo is converted the loop turns hundreds of times."""
    source = save(photo(3000, 2000), tmp_path / "a.jpg")

    async def main():
        task = asyncio.ensure_future(convert(source, Image(width=1600)))
        turns, longest, last = 0, 0.0, time.perf_counter()
        while not task.done():
            await asyncio.sleep(0)
            at = time.perf_counter()
            turns, longest, last = turns + 1, max(longest, at - last), at
        await task
        return turns, longest

    turns, longest = asyncio.run(main())
    assert turns > 100
    assert longest < 0.2


def test_several_files_are_a_tuple(storage, picture):
    """A recipe that makes several files gives all of them, in its order."""
    made = convert(picture, Thumbnails(widths=(60, 30), format="png"))
    assert [one.filename for one in made] == ["a-60.png", "a-30.png"]
    assert len(list(storage.path.iterdir())) == 2


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"%PDF-1.7\n", 415, "format"),
        (b"<svg><script>alert(1)</script></svg>", 415, "format"),
        (b"GIF89a/*", 422, "damaged"),
        (b"", 422, "empty"),
    ],
)
def test_what_is_no_picture_is_refused(storage, tmp_path, content, status, reason):
    """By its header, before anything is decoded, and nothing is kept."""
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UploadRefused) as caught:
        convert(tmp_path / "a.jpg", Image())
    assert (caught.value.status, caught.value.reason) == (status, reason)
    assert not list(storage.path.iterdir())


def test_limits_are_kept(storage, picture):
    """A file that is too large for the limits that are given: 413."""
    for limits, reason in ((Limits(size=100), "too-large"), (Limits(megapixels=0.001), "bomb")):
        with pytest.raises(UploadRefused) as caught:
            convert(picture, Image(), limits)
        assert (caught.value.status, caught.value.reason) == (413, reason)


def test_animations_are_the_recipes_affair(storage, tmp_path):
    """Refused by default; the first frame counts alone where it alone is taken; all count where all are kept."""
    from sample_pictures import frames

    first, *rest = frames(5)
    source = save(first, tmp_path / "a.gif", save_all=True, append_images=rest)
    with pytest.raises(UploadRefused):
        convert(source, Image(), Limits(frames=100))
    assert convert(source, Image(animation="first")).format == "png"
    assert convert(source, Thumbnails(widths=(10,)))[0].format == "png"
    with pytest.raises(UploadRefused):
        convert(source, Image(animation="keep"))
    assert convert(source, Image(animation="keep"), Limits(frames=5)).format == "webp"
    with pytest.raises(UploadRefused, match="megapixels"):
        convert(source, Image(animation="keep"), Limits(frames=5, megapixels=0.01))


def test_what_moves_and_cannot_be_kept_is_refused(storage, tmp_path):
    """An animated PNG that is to be kept whole: 415."""
    from sample_pictures import frames

    first, *rest = frames(5)
    source = save(first, tmp_path / "a.png", save_all=True, append_images=rest)
    with pytest.raises(UploadRefused, match="send GIF or WebP"):
        convert(source, Image(animation="keep"), Limits(frames=5))


# -- admission


def test_as_many_run_at_once_as_the_limit_says(storage, picture):
    """The limit "conversions" is the user's to define; by default it is one for each usable CPU."""
    weft.limit("conversions", 3)
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(convert, picture, Copy(wait=True)) for _ in range(8)]
        for _ in range(3):
            assert recipes.begun.acquire(timeout=10)
        recipes.gate.set()
        assert len({one.result().key for one in waiting}) == 8
    assert recipes.most == 3


def test_some_go_one_at_a_time(storage, picture):
    """What fills all cores by itself runs alone among its kind."""
    weft.limit("conversions", 8)
    with ThreadPoolExecutor(6) as threads:
        assert all(one.result() for one in [threads.submit(convert, picture, Alone()) for _ in range(6)])
    assert recipes.most == 1


def test_twenty_at_once_stay_within_the_memory(storage, picture):
    """However many places there are, those inside never need more than the budget together."""
    weft.limit("conversions", 20)
    memory_budget(1000)
    with ThreadPoolExecutor(20) as threads:
        waiting = [threads.submit(convert, picture, Copy(wait=True, memory=300)) for _ in range(20)]
        for _ in range(3):
            assert recipes.begun.acquire(timeout=10)
        assert places.budget().statistics().spent == 900
        recipes.gate.set()
        for one in waiting:
            one.result()
    assert recipes.most == 3
    assert places.budget().statistics().spent == 0


def test_what_never_fits_is_refused(storage, picture):
    """A file that would need more than the whole budget: 413, at once."""
    memory_budget(1000)
    with pytest.raises(UploadRefused, match="MiB of memory") as caught:
        convert(picture, Copy(memory=1001))
    assert (caught.value.status, caught.value.reason) == (413, "memory")


def test_a_full_waiting_room_is_an_answer(storage, picture):
    """One more than may wait for memory is refused as `Overloaded`."""
    weft.limit("conversions", 8)
    memory_budget(100, waiting=0)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(convert, picture, Copy(wait=True))
        assert recipes.begun.acquire(timeout=10)
        with pytest.raises(Overloaded, match="budget 'memory of conversions' is spent"):
            convert(picture, Copy())
        recipes.gate.set()
        first.result()


def test_the_wait_for_memory_ends(storage, picture):
    """Whoever waits longer than a conversion may take is told so; the scope's deadline comes first if it is sooner."""
    weft.limit("conversions", 8)
    memory_budget(100)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(convert, picture, Copy(wait=True))
        assert recipes.begun.acquire(timeout=10)
        with pytest.raises(Overloaded, match="came free in 0.05 s") as caught:
            convert(picture, Copy(), Limits(seconds=0.05))
        assert caught.value.retry_after > 0
        with pytest.raises(DeadlineExceeded), weft.scope(deadline=0.05):
            convert(picture, Copy())
        assert places.budget().statistics().queued == 0
        recipes.gate.set()
        first.result()
    assert places.budget().statistics().spent == 0


def test_a_picture_is_estimated_from_its_header(tmp_path):
    """Four bytes for each pixel of each frame, and what the libraries take."""
    how = CONVERSIONS[Image]
    seen = how.look(save(quarters(1000, 500), tmp_path / "a.png"), Image(), Limits())
    assert how.memory(seen, Image()) == 16_000_000 + 4 * 1000 * 500


def test_the_budget_is_a_quarter_of_the_memory():
    """Unless it is set."""
    from weft.executors.memory import usable_memory

    assert memory_budget().size == usable_memory() // 4
    assert memory_budget(12).size == 12


# -- time, threads and processes


def test_a_thread_that_is_late_keeps_what_it_holds(storage, picture, home):
    """422 after the seconds that are allowed; its folder and its memory are given back when the thread ends."""
    memory_budget(1000)
    with pytest.raises(UploadRefused, match=r"more than 0.05 s to convert") as caught:
        convert(picture, Copy(wait=True), Limits(seconds=0.05))
    assert (caught.value.status, caught.value.reason) == (422, "slow")
    assert places.budget().statistics().spent == 100
    assert recipes.folders[0].exists()
    recipes.gate.set()
    _until(lambda: places.budget().statistics().spent == 0)
    _until(lambda: not recipes.folders[0].exists())
    assert not list(storage.path.iterdir())


def test_a_deadline_leaves_nothing_behind(storage, picture):
    """A request whose deadline passes gets its answer, and no file is kept for nobody."""
    with pytest.raises(DeadlineExceeded), weft.scope(deadline=0.1):
        convert(picture, Copy(wait=True))
    recipes.gate.set()
    _until(lambda: places.budget().statistics().spent == 0)
    assert not list(storage.path.iterdir())


def test_processes_are_used_where_the_table_says_so(storage, picture):
    """What runs apart runs in another process, which is kept for the next."""
    pids = {(storage.path / convert(picture, Apart("pid")).key).read_text() for _ in range(2)}
    assert len(pids) == 1
    assert pids != {str(os.getpid())}


def test_a_process_that_is_late_is_killed(storage, picture):
    """422 after the seconds that are allowed; the process is dead, and another takes the next."""
    convert(picture, Apart("copy"))
    with pytest.raises(UploadRefused, match="to convert"):
        convert(picture, Apart("hang"), Limits(seconds=0.3))
    assert places.budget().statistics().spent == 0
    assert convert(picture, Apart("copy")).format == "bin"


def test_a_crash_is_told_in_words(storage, picture):
    """What ran there, and what killed it; the next conversion has a new process."""
    with pytest.raises(WorkerCrashed, match="the process that ran convert to Apart was killed by SIGSEGV"):
        convert(picture, Apart("crash"))
    assert convert(picture, Apart("copy")).format == "bin"


def test_a_process_has_a_memory_cap(storage, picture):
    """One that takes far more than was estimated is stopped: 413; the web process is unharmed."""
    with pytest.raises(UploadRefused, match="more memory to convert than is allowed") as caught:
        convert(picture, Apart("eat"))
    assert (caught.value.status, caught.value.reason) == (413, "memory")
    assert convert(picture, Apart("copy")).format == "bin"


def test_a_refusal_comes_out_of_a_process(storage, picture):
    """With its status and its reason."""
    with pytest.raises(UploadRefused, match="not that") as caught:
        convert(picture, Apart("refuse"))
    assert caught.value.status == 422


def test_a_process_that_cannot_start_is_told_in_words(storage, picture, monkeypatch):
    """Where the worker cannot even begin the error says why, and the next attempt is a new one."""
    monkeypatch.setattr(places, "warm_up", _fails)
    with pytest.raises(weft.WeftError, match="no process for conversions could be started"):
        convert(picture, Apart("copy"))
    monkeypatch.undo()
    assert convert(picture, Apart("copy")).format == "bin"


def _fails():
    raise RuntimeError("no")


# -- errors


def test_errors_leave_nothing_behind(storage, picture):
    """Refusals and bugs come as they are, and nothing of the conversion is left."""
    with pytest.raises(UploadRefused):
        convert(picture, Copy(fail="refuse"))
    with pytest.raises(ZeroDivisionError):
        convert(picture, Copy(fail="bug"))
    assert not list(storage.path.iterdir())
    assert places.budget().statistics().spent == 0


def test_an_unknown_recipe_is_refused_where_it_is_written(picture):
    """The message names those that are known."""
    with pytest.raises(InvalidCall, match=r"no recipe .*Image.*CONVERSIONS\[str\]"):
        convert(picture, "jpeg")


def test_users_override_the_table(storage, picture, monkeypatch):
    """Another conversion can be put in the place of ours."""

    def mine(source, recipe, folder, limits):
        (folder / "x").write_bytes(b"mine")
        return (Made(folder / "x", "txt"),)

    monkeypatch.setitem(CONVERSIONS, Image, Conversion(mine, Where.THREADS, lambda seen, recipe: 1))
    assert (storage.path / convert(picture, Image()).key).read_bytes() == b"mine"


def test_a_storage_that_fails_half_way_keeps_nothing(tmp_path, picture):
    """Of several files all are kept or none."""

    class Failing(Folder):
        def put(self, source, key):
            if len(list(self.path.iterdir())) == 1:
                raise StorageError("no room")
            super().put(source, key)

    failing = Failing(tmp_path / "kept")
    with pytest.raises(StorageError):
        convert(picture, Thumbnails(widths=(10, 20)), storage=failing)
    assert not list(failing.path.iterdir())


def test_a_full_disk_is_the_servers_fault(storage, picture, monkeypatch):
    """No room to convert in: a `StorageError`, and not the client's fault."""

    def full(source, recipe, folder, limits):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(CONVERSIONS, Image, Conversion(full, Where.THREADS, lambda seen, recipe: 1))
    with pytest.raises(StorageError, match="no room to convert"):
        convert(picture, Image())


# -- paths


def test_a_file_becomes_another(tmp_path, picture):
    """From path to path; in a folder it has the source's name with its new ending."""
    made = convert_file(picture, Image(width=30), tmp_path / "b.jpg")
    assert made.key == str(tmp_path / "b.jpg")
    (tmp_path / "out").mkdir()
    made = convert_file(picture, Thumbnails(widths=(10, 20), format="webp"), tmp_path / "out")
    assert [Path(one.key).name for one in made] == ["a-10.webp", "a-20.webp"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a-10.webp", "a-20.webp"]


def test_the_source_is_never_written_to(tmp_path, picture):
    """Not by its own name, not through a link, not by the name that it would get in its folder."""
    before = picture.read_bytes()
    link = tmp_path / "link.jpg"
    link.symlink_to(picture)
    for target in (picture, link):
        with pytest.raises(InvalidValue, match="name another"):
            convert_file(picture, Image(), target, overwrite=True)
    jpeg = picture.rename(tmp_path / "a.jpeg")
    with pytest.raises(FileExistsError, match="never written over"):
        convert_file(jpeg, Image(), tmp_path, overwrite=True)
    assert jpeg.read_bytes() == before


def test_what_exists_is_kept_unless_told_otherwise(tmp_path, picture):
    """A file that stands there stays as it is, or is replaced as a whole."""
    target = tmp_path / "b.png"
    target.write_text("mine")
    with pytest.raises(FileExistsError, match="exists"):
        convert_file(picture, Image(format="png"), target)
    assert target.read_text() == "mine"
    convert_file(picture, Image(format="png"), target, overwrite=True)
    assert target.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.png"]


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
import recipes
from weft.uploads import convert_file
def die(*_): os.kill(os.getpid(), 9)
recipes.CONVERSIONS[recipes.Copy] = recipes.Conversion(die, recipes.Where.THREADS, lambda seen, recipe: 1)
convert_file(sys.argv[2], recipes.Copy(), sys.argv[3])
"""


def test_what_a_dead_process_left_is_swept(tmp_path, picture, monkeypatch):
    """The next process that converts clears up behind one that was killed."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    words = [str(Path(__file__).parent), str(picture), str(tmp_path / "b")]
    died = subprocess.run([sys.executable, "-c", KILLED, *words], env=environment, check=False)
    assert died.returncode == -9
    (common,) = tmp_path.glob("weft-convert-*")
    assert len(list(common.iterdir())) == 1
    code = "from weft.uploads import Image, convert_file; import sys; convert_file(sys.argv[1], Image(), sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, str(picture), str(tmp_path / "c.jpg")], env=environment, check=True)
    assert not list(common.iterdir())


def test_a_forked_child_keeps_no_folder_of_a_dead_parent(tmp_path, picture):
    """The lock is the parent's: what it left is swept although a child of its lives on."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    code = (
        "import os, signal; from weft.uploads.converting.workplaces import Workplace\n"
        "Workplace().open(); child = os.fork()\n"
        "if child == 0: signal.pause()\n"
        "print(child, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        parent.wait()
    try:
        (common,) = tmp_path.glob("weft-convert-*")
        (left,) = common.iterdir()
        code = "from weft.uploads.converting.workplaces import Workplace; Workplace().open()"
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        assert not left.exists()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_strangers_folder_is_not_used(tmp_path, monkeypatch):
    """A working folder that others can read is refused."""
    monkeypatch.setattr(workplaces.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(workplaces, "_home", None)
    (tmp_path / f"weft-convert-{os.getuid()}").mkdir(mode=0o777)
    (tmp_path / f"weft-convert-{os.getuid()}").chmod(0o777)
    with pytest.raises(PermissionError, match="not this user's alone"):
        workplaces._home_of_this_process()


def test_a_budget_hands_on_what_is_given_back():
    """First come, first served; who gives up waiting lets those behind him in."""
    from weft.policy.budget import Budget
    from weft.policy.verdict import GO, Stop, Wait

    budget = Budget("memory", 10, 3)
    assert budget.enter("a", 6) == GO
    assert isinstance(budget.enter("b", 5), Wait)
    assert isinstance(budget.enter("c", 4), Wait)  # would fit, and waits its turn
    assert isinstance(budget.enter("d", 1), Wait)
    assert isinstance(budget.enter("e", 1), Stop)
    assert isinstance(budget.enter("f", 11), Stop)
    assert budget.withdraw("b") == ["c"]
    assert budget.withdraw("c") is None
    assert budget.leave(6) == ["d"]
    assert (budget.spent, budget.queued, budget.refused) == (5, 0, 2)
    for wrong in ((0, 1), (1, -1)):
        with pytest.raises(InvalidValue):
            Budget("memory", *wrong)


def test_a_budget_is_shared_between_loops():
    """Whoever waits on one loop is called from another."""
    shared = SharedBudget("memory", 1, waiting=5)
    inside = []

    async def take():
        await shared.enter(weft.runtime.process.runtime().running(), 1)
        inside.append(1)
        await asyncio.sleep(0)
        shared.leave(1)

    threads = [threading.Thread(target=lambda: asyncio.run(take())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(inside) == 4
    assert shared.statistics().spent == 0


def test_memory_is_read_from_the_control_group(tmp_path):
    """The lowest of the machine's memory and the limits of the group and its parents, of version 1 and 2."""
    from weft.executors.memory import usable_memory

    for name, text in (
        ("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n"),
        ("proc/self/cgroup", "7:memory:/old\n0::/a/b\n"),
        ("sys/fs/cgroup/a/memory.max", "500000\n"),
        ("sys/fs/cgroup/a/b/memory.max", "max\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_memory(tmp_path) == 500_000
    (tmp_path / "sys/fs/cgroup/memory/old").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory/old/memory.limit_in_bytes").write_text("400000\n")
    assert usable_memory(tmp_path) == 400_000
    assert usable_memory(tmp_path / "nothing") is None or usable_memory(tmp_path / "nothing") > 0


def _until(holds):
    """Wait for what another thread is about to do."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def test_a_missing_library_is_told(storage, picture, monkeypatch):
    """Without libvips and Pillow the error says what to install."""
    from weft.uploads.images import engine

    engine._pillow.cache_clear()
    monkeypatch.setattr(engine, "_has", lambda module: False)
    with pytest.raises(ImportError, match=r"pip install 'weft\[images\]'"):
        convert(picture, Image())
    engine._pillow.cache_clear()


def test_what_is_kept_for_nobody_is_taken_back(tmp_path, picture):
    """A storage that is slower than the request's deadline has nothing of it in the end."""
    stored, taken_back = threading.Event(), threading.Event()

    class Slow(Folder):
        def put(self, source, key):
            super().put(source, key)
            stored.set()
            assert recipes.gate.wait(20)

        def delete(self, key):
            super().delete(key)
            taken_back.set()

    slow = Slow(tmp_path / "kept")
    with pytest.raises(DeadlineExceeded), weft.scope(deadline=1.0):
        convert(picture, Image(), storage=slow)
    assert stored.is_set()
    recipes.gate.set()
    assert taken_back.wait(10)
    assert not list(slow.path.iterdir())


def test_processes_are_replaced_in_the_end(storage, picture, monkeypatch):
    """After so many conversions a process makes way for a new one: libraries grow."""
    monkeypatch.setattr(places, "_CALLS_PER_PROCESS", 1)
    pids = {(storage.path / convert(picture, Apart("pid")).key).read_text() for _ in range(3)}
    assert len(pids) == 3
