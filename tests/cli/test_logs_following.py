"""Facts about following a log: whatever becomes of its file, each line comes once, and in order."""

import gzip
import os
import shutil

import pytest

from weft import clock
from weft.cli.logs import reading
from weft.cli.logs.following import Follower, follow
from weft.logs.targets.archive import tidy
from weft.logs.targets.rotation import Rotation, archive_name


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app.log"


@pytest.fixture
def time():
    """Time that passes when it is told to."""
    moment = [0.0]
    before = clock.install(lambda: moment[0])
    yield moment
    clock.install(before)


@pytest.fixture
def follower(path, time):
    """Follows a log that has one line, which is not new."""
    path.write_bytes(b"old\n")
    made = Follower(path, path.open("rb", buffering=0), 4)
    yield made
    made.close()


def append(path, *lines):
    with path.open("ab") as file:
        file.write(b"".join(lines))


def new(follower):
    return [line for lines in follower.poll() for line in lines]


def rotate(path, moment=1.0):
    old = path.with_name(archive_name(path.name, moment, [each.name for each in path.parent.iterdir()]))
    path.rename(old)
    return old


def touch_later(path, than):
    """Let the file look as if it had been written to a second after the other: file systems count in ticks."""
    later = than.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))


def test_new_lines_come_once(path, follower):
    """What is appended comes once, and what was there before does not."""
    append(path, b"one\n", b"two\n")
    assert new(follower) == [b"one", b"two"]
    assert new(follower) == []


def test_a_line_comes_when_it_is_whole(path, follower):
    """Half a line waits for the other half."""
    append(path, b"hal")
    assert new(follower) == []
    append(path, b"f\nn")
    assert new(follower) == [b"half"]


def test_many_lines_come_in_batches(path, follower, monkeypatch):
    """What has gathered is read in blocks."""
    monkeypatch.setattr(reading, "BLOCK", 16)
    monkeypatch.setattr("weft.cli.logs.following.BLOCK", 16)
    lines = [b"line %d" % number for number in range(100)]
    append(path, *(line + b"\n" for line in lines))
    batches = list(follower.poll())
    assert [line for batch in batches for line in batch] == lines
    assert len(batches) > 10


def test_rotation_loses_and_repeats_nothing(path, follower):
    """The lines before and after a rotation come in order, whether there were polls between or not."""
    append(path, b"before\n")
    rotate(path)
    append(path, b"after\n")
    assert new(follower) == [b"before", b"after"]
    append(path, b"more\n")
    assert new(follower) == [b"more"]


def test_who_has_not_noticed_is_read_on(path, follower, time):
    """Lines that a writer still appends to the old file come, too, for some seconds."""
    old = path.rename(path.with_name("app.log.1"))
    append(path, b"new\n")
    assert new(follower) == [b"new"]
    append(old, b"late\n")
    append(path, b"newer\n")
    assert new(follower) == [b"late", b"newer"]
    time[0] = 4.0
    assert new(follower) == []
    append(old, b"later\n", b"and unfinished")
    assert new(follower) == [b"later"]
    time[0] = 9.5
    assert new(follower) == [b"and unfinished"]
    append(old, b"too late\n")
    assert new(follower) == []


def test_no_file_between_is_missed(path, follower):
    """Files that were made and put aside between two looks are read as a whole, the oldest first."""
    append(path, b"0\n")
    last = rotate(path)
    for number in (b"1", b"2", b"3"):
        append(path, number + b"\n")
        touch_later(path, last)
        last = rotate(path)
    append(path, b"4\n")
    assert new(follower) == [b"0", b"1", b"2", b"3", b"4"]
    rotate(path, 2.0)
    touch_later(path.with_name("app.log.19700101T000002.000Z"), last)
    append(path, b"5\n")
    assert new(follower) == [b"5"]


def test_files_that_have_been_compressed_meanwhile_are_read(path, follower):
    """Rotated files that we compressed are read from where they are now; the one that was open is not repeated."""
    append(path, b"0\n")
    first = rotate(path)
    append(path, b"1\n")
    touch_later(path, first)
    rotate(path)
    tidy(path, Rotation(max_bytes=1, compress=True))
    assert [each.suffix for each in path.parent.iterdir()] == [".gz", ".gz"]
    append(path, b"2\n")
    assert new(follower) == [b"0", b"1", b"2"]


def test_a_file_that_is_being_compressed_is_read_once(path, follower):
    """While a file and its compressed copy are both there, it is one."""
    append(path, b"0\n")
    first = rotate(path)
    append(path, b"1\n")
    touch_later(path, first)
    for old in (first, rotate(path)):
        with gzip.open(f"{old}.gz", "wb") as copy:
            copy.write(old.read_bytes())
    append(path, b"2\n")
    assert new(follower) == [b"0", b"1", b"2"]


def test_the_numbers_of_logrotate(path, follower):
    """Files that move on from .1 to .2 are told apart by what they are, not by what they are called."""
    append(path, b"0\n")
    path.rename(path.with_name("app.log.2"))
    append(path, b"1\n")
    touch_later(path, path.with_name("app.log.2"))
    path.rename(path.with_name("app.log.1"))
    append(path, b"2\n")
    assert new(follower) == [b"0", b"1", b"2"]


def test_a_copy_that_others_compressed_is_not_repeated(path, follower):
    """A compressed copy made by others at the rotation has a time of its own, and is not taken for a missed file."""
    append(path, b"0\n")
    with gzip.open(path.with_name("app.log.1.gz"), "wb") as copy:
        copy.write(path.read_bytes())
    touch_later(path.with_name("app.log.1.gz"), path)
    path.unlink()
    append(path, b"1\n")
    assert new(follower) == [b"0", b"1"]


def test_a_late_line_does_not_bring_a_file_back(path, follower, time):
    """A file that was read to its end is not read again at the next rotation, even if it was written to last."""
    old = rotate(path)
    append(path, b"1\n")
    touch_later(old, path)
    assert new(follower) == [b"1"]
    time[0] = 6.0
    assert new(follower) == []
    rotate(path, 2.0)
    append(path, b"2\n")
    assert new(follower) == [b"2"]


@pytest.mark.parametrize("size", [1, 300, 5000])
def test_a_cut_file_is_read_from_its_beginning(path, follower, size):
    """After copytruncate what is written anew comes, also if the file is longer than before by then."""
    append(path, b"x" * size + b"\n")
    assert new(follower) == [b"x" * size]
    shutil.copy(path, path.with_name("app.log.1"))
    os.truncate(path, 0)
    append(path, *[b"%d\n" % number for number in range(2000)])
    assert new(follower) == [b"%d" % number for number in range(2000)]


def test_half_a_line_goes_with_the_cut(path, follower):
    """What was not whole when the file was cut is not mixed with what is written anew."""
    append(path, b"hal")
    assert new(follower) == []
    os.truncate(path, 0)
    append(path, b"new\n")
    assert new(follower) == [b"new"]


def test_a_cut_file_with_a_hole(path, follower):
    """A writer that keeps its place in a cut file leaves a hole of zeros, which is passed over."""
    append(path, b"x" * 100_000 + b"\n")
    assert len(new(follower)) == 1
    os.truncate(path, 0)
    with path.open("r+b") as file:
        file.seek(100_005)
        file.write(b"after\n")
    assert new(follower) == [b"after"]


def test_a_deleted_file_is_waited_for(path, follower):
    """Where the file is deleted, what was in it comes, and then what is in the one that is made next."""
    append(path, b"before\n")
    path.unlink()
    assert new(follower) == [b"before"]
    assert new(follower) == []
    append(path, b"after\n")
    assert new(follower) == [b"after"]


def test_a_file_that_is_not_there_yet(path):
    """A log may be followed before there is one; then it is new from its first line on."""
    follower = Follower(path, None, 0)
    assert new(follower) == []
    append(path, b"first\n")
    assert new(follower) == [b"first"]
    follower.close()


def test_a_log_that_is_new_and_already_rotated(path):
    """Where the log that was waited for has been rotated before we look, its first files come; older ones do not."""
    path.with_name("app.log.1").write_bytes(b"older\n")
    follower = Follower(path, None, 0)
    append(path, b"first\n")
    touch_later(path, path.with_name("app.log.1"))
    path.rename(path.with_name("app.log.2"))
    append(path, b"second\n")
    assert new(follower) == [b"first", b"second"]
    follower.close()


def test_a_log_in_a_folder_that_is_not_there_yet(path):
    """The folder of the log may come into being with it."""
    inner = path.parent / "logs" / "app.log"
    follower = Follower(inner, None, 0)
    assert new(follower) == []
    inner.parent.mkdir()
    append(inner, b"first\n")
    assert new(follower) == [b"first"]
    follower.close()


def test_a_name_that_comes_back_is_the_same_file(path, follower):
    """A file that is renamed and renamed back is not read again."""
    append(path, b"one\n")
    path.rename(path.with_name("elsewhere"))
    assert new(follower) == [b"one"]
    path.with_name("elsewhere").rename(path)
    append(path, b"two\n")
    assert new(follower) == [b"two"]


def test_a_name_that_comes_back_while_we_look_is_the_same_file(tmp_path):
    """A file that seems to be another, and is the same when it is opened, is not read again."""

    class Renamed(type(tmp_path)):
        def stat(self, **_):
            return tmp_path.stat()

    path = Renamed(tmp_path / "app.log")
    append(path, b"old\n")
    follower = Follower(path, path.open("rb", buffering=0), 4)
    append(path, b"one\n")
    assert new(follower) == [b"one"]
    assert new(follower) == []
    follower.close()


def test_waiting_is_for_idle_logs_alone(path, follower):
    """The loop waits only when no log has grown, and hands each log's lines to its own function."""
    other = Follower(path, path.open("rb", buffering=0), 0)
    told, steps = [], [lambda: append(path, b"new\n"), lambda: None, lambda: 1 / 0]

    def wait():
        told.append("wait")
        steps.pop(0)()

    logs = [(follower, lambda lines: told.append(("a", lines))), (other, lambda lines: told.append(("b", lines)))]
    with pytest.raises(ZeroDivisionError):
        follow(logs, wait)
    assert told == [("b", [b"old"]), "wait", ("a", [b"new"]), ("b", [b"new"]), "wait", "wait"]
    other.close()
