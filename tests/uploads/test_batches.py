"""Facts about many files at once: each has its own fate, all are told, and who stops listening ends the rest."""

import asyncio
import dataclasses
import json
import logging
import os
import threading
from pathlib import Path

import polars as pl
import pytest
import recipes
from documents import archive
from recipes import Apart, Copy
from sample_pictures import Folder, quarters, save

import weft
from weft.errors import InvalidCall, InvalidValue, WouldBlock
from weft.uploads import Image, Limits, PdfText, Table, Unzip, Upload, UploadRefused, process
from weft.uploads.converting import places, workplaces

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """The folder in which this process works. Its lock, and what polars waits with, are kept open for ever."""
    pl.LazyFrame({"a": [1]}).sink_csv(tmp_path_factory.mktemp("polars") / "a.csv")
    return workplaces._home_of_this_process()


@pytest.fixture(autouse=True)
def _as_at_the_beginning(no_leaks, home):
    recipes.reset()
    yield
    recipes.gate.set()
    places.close()
    places._budget = None
    weft.close(grace=5)
    sweep(home)


def sweep(home):
    """Wait for threads that nobody waits for any more: each takes its folder along."""
    for _ in range(500):
        if not list(home.iterdir()):
            return
        threading.Event().wait(0.01)
    pytest.fail("folders left behind")


@pytest.fixture
def storage(tmp_path):
    return Folder(tmp_path / "kept")


@pytest.fixture
def files(tmp_path):
    """Three pictures, and one file that is none."""
    folder = tmp_path / "sent"
    folder.mkdir()
    for number in range(3):
        save(quarters(), folder / f"{number}.jpg")
    (folder / "evil.jpg").write_text("<svg onload='alert(1)'/>")
    return sorted(folder.iterdir())


def test_every_file_is_told(files, storage):
    """One event at the beginning and one for each; the counts add up."""
    events = list(process(files, Image(width=60), storage=storage))
    assert [event.done for event in events] == [0, 1, 2, 3, 4]
    assert {event.total for event in events} == {4}
    assert (events[-1].ok, events[-1].refused, events[-1].failed) == (3, 1, 0)
    assert events[0].file is None
    assert {event.file.name for event in events[1:]} == {path.name for path in files}
    with pytest.raises(dataclasses.FrozenInstanceError):
        events[0].ok = 1


def test_the_report_is_in_the_order_of_the_files(files, storage):
    """Each with what was made of it, its sizes and its seconds, or why not."""
    report = process(files, Image(width=60, format="webp"), storage=storage).result()
    assert [each.name for each in report.files] == [path.name for path in files]
    assert [each.state for each in report.files] == ["ok", "ok", "ok", "refused"]
    good, refused = report.ok[0], report.refused[0]
    assert good.before == files[0].stat().st_size
    assert good.after == (storage.path / good.made[0].key).stat().st_size
    assert 0 < good.seconds <= report.seconds
    assert refused.error.status == 415
    assert refused.reason == str(refused.error)
    assert report.before == sum(each.before for each in report.ok)
    assert report.after == sum(each.after for each in report.ok)
    lines = str(report).splitlines()
    assert lines[0].startswith("4 files: 3 ok, 1 refused, 0 failed; ")
    assert lines[1:] == [f"evil.jpg: refused: {refused.reason}"]


def test_it_has_no_colour(files, storage):
    """`await` gives the same report, `async for` the same events."""

    async def main():
        processing = process(files, Image(width=60), storage=storage)
        events = [event.done async for event in processing]
        again = await process(files, Image(width=60), storage=storage)
        with pytest.raises(WouldBlock):
            process(files, Image(width=60), storage=storage).result()
        return events, await processing, again

    events, report, again = asyncio.run(main())
    assert events == [0, 1, 2, 3, 4]
    assert [each.state for each in report.files] == [each.state for each in again.files]
    assert report is not None


def test_a_report_can_be_asked_for_again(files, storage):
    """It is kept; the files are processed once."""
    processing = process(files, Image(width=60), storage=storage)
    assert processing.report is None
    assert processing.result() == processing.result() == processing.report
    assert len(list(storage.path.iterdir())) == 3


def test_files_of_many_kinds_each_by_its_recipe(tmp_path, storage):
    """Threads, one at a time, processes: each runs where its line in the table says."""
    source = tmp_path / "a.csv"
    source.write_bytes(b"a,b\n1,2\n")
    zipped = tmp_path / "a.zip"
    zipped.write_bytes(archive({"a.txt": "1", "b.txt": "2"}))
    assert process([source], Table(), storage=storage).result().ok
    assert len(process([zipped], Unzip(), storage=storage).result().ok[0].made) == 2
    (apart,) = process([source], Apart("pid"), storage=storage).result().ok
    assert (storage.path / apart.made[0].key).read_text() != str(os.getpid())
    assert process([source], PdfText(), storage=storage).result().refused


def test_one_crash_costs_one_file(tmp_path, storage, caplog):
    """The others go on; what went wrong is in the log and in the report, and not in what the client reads."""
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file in files:
        file.write_bytes(b"a,b\n")

    def work(file: Path) -> Upload:
        return weft.uploads.convert(file, Apart("crash" if file.name == "b" else "copy"), storage=storage)

    with caplog.at_level(logging.ERROR, "weft.uploads"):
        report = process(files, work).result()
    assert [each.state for each in report.files] == ["ok", "failed", "ok"]
    assert isinstance(report.failed[0].error, weft.WorkerCrashed)
    assert "SIGSEGV" not in report.failed[0].reason
    assert "SIGSEGV" in caplog.text


def test_functions_run_where_they_belong(files):
    """Plain ones on threads, async ones on the loop, cpu ones in processes; any value may come of them."""
    here = threading.get_ident()

    async def on_loop(file):
        return file.name, threading.get_ident()

    plain = process(files, lambda file: (file.name, threading.get_ident())).result()
    assert [each.value[0] for each in plain.files] == [path.name for path in files]
    assert here not in {each.value[1] for each in plain.files}
    assert len({each.value[1] for each in process(files, on_loop).result().files}) == 1
    pids = process(files, weft.cpu(pid)).result()
    assert os.getpid() not in {each.value for each in pids.files}
    assert not pids.files[0].made


def pid(file):
    return os.getpid()


def test_an_upload_is_named_as_its_sender_calls_it(storage, files):
    """And its size is what the note says."""
    upload = weft.uploads.convert(files[0], Image(), storage=storage)
    report = process([dataclasses.replace(upload, filename="Beach.jpg")], Image(width=10), storage=storage).result()
    assert (report.files[0].name, report.files[0].before) == ("Beach.jpg", upload.size)


def test_at_once(files, storage):
    """No more files are under way than allowed."""
    begun, go = threading.Semaphore(0), threading.Event()
    inside = []

    def wait(file):
        inside.append(file)
        begun.release()
        go.wait(20)

    processing = process(files, wait, at_once=2)
    thread = threading.Thread(target=processing.result)
    thread.start()
    assert begun.acquire(timeout=20)
    assert begun.acquire(timeout=20)
    assert not begun.acquire(timeout=0.05)
    assert len(inside) == 2
    go.set()
    thread.join()
    assert len(inside) == 4


def test_who_is_late_is_told(files, storage, home):
    """At the deadline: what has ended counts, the rest is late, and nothing of it is kept."""
    report = process(files[:3], Copy(wait=True), deadline=0.2, storage=storage).result()
    assert [each.state for each in report.files] == ["late"] * 3
    assert len(report.failed) == 3
    recipes.gate.set()
    sweep(home)
    assert not list(storage.path.iterdir())


def test_who_stops_listening_ends_the_rest(files, storage):
    """In either colour: the files that were under way are given up, and nothing of them is kept."""
    for event in process(files, Copy(wait=True), storage=storage):
        assert event.done == 0
        break

    async def main():
        events = aiter(process(files, Copy(wait=True), storage=storage))
        assert (await anext(events)).done == 0
        await events.aclose()

    asyncio.run(main())
    processing = process(files, Copy(), storage=storage, at_once=1)
    for event in processing:
        if event.done == 1:
            break
    assert processing.report is None
    with pytest.raises(InvalidCall):
        processing.result()
    recipes.gate.set()
    assert len(list(storage.path.iterdir())) <= 2


def test_limits_are_each_files_own(files, storage):
    """As in `convert`."""
    report = process(files, Image(), limits=Limits(size=10), storage=storage).result()
    assert {each.error.status for each in report.files if each.name != "evil.jpg"} == {413}


def parsed(text):
    events = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
    return events


def test_server_sent_events(files, storage):
    """Text that an EventSource reads: a progress for each file, then the report."""
    events = parsed("".join(process(files, Image(width=60), storage=storage).sse()))
    assert [(kind, number) for kind, number, _ in events] == [("progress", n) for n in range(5)] + [("report", 4)]
    assert events[0][2] == {"done": 0, "total": 4, "ok": 0, "refused": 0, "failed": 0, "file": None}
    assert [each["name"] for each in events[-1][2]["files"]] == [path.name for path in files]
    assert events[-1][2]["files"][0]["made"][0]["format"] == "jpeg"

    async def main():
        return "".join([text async for text in process(files, Image(width=60), storage=storage).sse()])

    assert [kind for kind, *_ in parsed(asyncio.run(main()))] == ["progress"] * 5 + ["report"]


def test_a_client_that_goes_away_ends_the_rest(files, storage):
    """As a WSGI server tells it: by `close`."""
    texts = process(files[:3], Copy(wait=True), storage=storage).sse()
    assert next(iter(texts)).startswith("event: progress")
    texts.close()
    texts.close()
    recipes.gate.set()
    places.close()
    assert not list(storage.path.iterdir())


def test_a_hostile_name_breaks_no_event(tmp_path):
    """Whatever it holds."""
    upload = Upload("k", 1, "sha256:0", None, "a\n\nevent: report\ndata: {}\u2028")
    events = parsed("".join(process([upload], lambda file: None).sse()))
    assert [kind for kind, *_ in events] == ["progress", "progress", "report"]


def test_no_files_are_no_problem():
    """One event, and an empty report."""
    assert [event.done for event in process([], Image())] == [0]
    assert str(process([], Image()).result()).startswith("0 files: 0 ok")


def test_a_file_that_is_not_there_fails_alone(tmp_path, storage, files, caplog):
    """And is told without its path."""
    report = process([tmp_path / "missing.jpg", files[0]], Image(), storage=storage).result()
    assert [each.state for each in report.files] == ["failed", "ok"]
    assert str(tmp_path) not in report.files[0].reason
    assert isinstance(report.files[0].error, FileNotFoundError)


def test_a_function_may_refuse(files):
    """As a conversion does."""

    def picky(file):
        raise UploadRefused(422, "taste", "not this one")

    report = process(files, picky).result()
    assert {(each.state, each.reason) for each in report.files} == {("refused", "not this one")}


def test_impossible_batches_are_refused_where_they_are_written(files):
    """Before anything runs."""
    with pytest.raises(InvalidCall, match="no recipe"):
        process(files, "jpeg")
    with pytest.raises(InvalidValue, match="at_once"):
        process(files, Image(), at_once=0)
    with pytest.raises(InvalidValue, match="deadline"):
        process(files, Image(), deadline=0)
