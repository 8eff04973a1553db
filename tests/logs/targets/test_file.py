"""A file that is shared, rotated, moved and filled up: lines are never torn and never written twice."""

import errno
import gzip
import os

import pytest

from weft.logs.targets import file as file_module
from weft.logs.targets.archive import tidy
from weft.logs.targets.file import FileTarget
from weft.logs.targets.locking import try_take
from weft.logs.targets.rotation import Rotation


class Notes:
    """A ledger that remembers."""

    owner = 1

    def __init__(self):
        self.begun, self.committed = [], []

    def begin(self, mark, length):
        self.begun.append((mark.size, length))

    def commit(self, length):
        self.committed.append(length)


@pytest.fixture
def make(path):
    made = []

    def make_it(rotation=Rotation(), *, durable=False):  # noqa: B008 - frozen
        made.append(FileTarget(path, rotation, durable=durable, gate=None))
        return made[-1]

    yield make_it
    for target in made:
        target.close()


def write(target, frames, notes=None):
    """Write all of the frames, in as many steps as it takes."""
    with target.turn():
        while frames:
            frames = frames[target.append(frames, notes or Notes()) :]


def parts(path):
    """The contents of the log and its old files, the oldest first."""
    found = sorted(path.parent.glob("app.log*"), key=lambda each: (each.name == "app.log", each.name))
    return [gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes() for each in found]


def test_frames_become_lines(make, path):
    """Newlines inside a record are newlines in the file, and the ledger is told before and after."""
    notes = Notes()
    write(make(), b"one\ntwo\xffmore\n", notes)
    assert path.read_bytes() == b"one\ntwo\nmore\n"
    assert (notes.begun, notes.committed) == ([(0, 13)], [13])


def test_a_missing_folder_is_made(make, path):
    """The folder of the log is made, at the start and when somebody removes it later."""
    target = make()
    path.unlink()
    write(target, b"one\n")
    assert path.read_bytes() == b"one\n"


def test_a_moved_file_is_followed_by_a_new_one(make, path):
    """After logrotate has moved the file away, lines go to a new one of the old name."""
    target = make()
    write(target, b"one\n")
    path.rename(path.with_name("moved"))
    write(target, b"two\n")
    assert path.read_bytes() == b"two\n"
    assert path.with_name("moved").read_bytes() == b"one\n"


def test_a_truncated_file_goes_on_at_its_new_end(make, path):
    """After logrotate's copytruncate lines are at the beginning, and not behind a hole."""
    target = make()
    write(target, b"one\n")
    os.truncate(path, 0)
    write(target, b"two\n")
    assert path.read_bytes() == b"two\n"


def test_a_line_that_others_left_unfinished_is_ended(make, path):
    """Lines are not glued to what another program has left without a newline."""
    path.write_bytes(b"unfinished")
    write(make(), b"one\n")
    assert path.read_bytes() == b"unfinished\none\n"


def test_files_are_rotated_by_size_without_cutting_lines(make, path):
    """No file is larger than its bound, but for a record that is by itself; each holds whole records."""
    target = make(Rotation(max_bytes=10))
    write(target, b"one\ntwo\nthree\n" + b"x" * 20 + b"\nfour\xff4\nfive\n")
    assert parts(path) == [b"one\ntwo\n", b"three\n", b"x" * 20 + b"\n", b"four\n4\n", b"five\n"]
    assert target.rotations == 4


def test_two_processes_agree_on_a_rotation(make, path):
    """Who comes second finds the file rotated, and writes to the new one."""
    one, two = make(Rotation(max_bytes=10)), make(Rotation(max_bytes=10))
    for target, frame in ((one, b"12345678\n"), (two, b"2345678\n"), (one, b"3\n")):
        write(target, frame)
    assert parts(path) == [b"12345678\n", b"2345678\n3\n"]
    assert one.rotations + two.rotations == 1


def test_a_rotated_file_keeps_its_mode(make, path):
    """The new file has the rights of the old one."""
    target = make(Rotation(max_bytes=5))
    path.chmod(0o640)
    write(target, b"one\ntwo\n")
    assert path.stat().st_mode & 0o777 == 0o640


def test_old_files_are_compressed_and_the_oldest_given_up(make, path):
    """With keep=2 and compress, the two newest old files are left, compressed and whole."""
    rotation = Rotation(max_bytes=4, keep=2, compress=True)
    target = make(rotation)
    for number in range(5):
        write(target, b"%d\n%d\n" % (number, number))
    target.close()
    tidy(path, rotation)
    names = sorted(each.name for each in path.parent.glob("app.log*"))
    assert [name.endswith(".gz") for name in names] == [False, True, True]
    assert parts(path) == [b"2\n2\n", b"3\n3\n", b"4\n4\n"]


def test_compressing_that_was_interrupted_is_done_again(path):
    """What a kill left of a compression is replaced by a whole one, and the original goes only then."""
    old = path.with_name("app.log.19700101T000000.000Z")
    old.write_bytes(b"one\n")
    old.with_name(old.name + ".gz").write_bytes(b"half")
    tidy(path, Rotation(max_bytes=1, compress=True))
    assert parts(path) == [b"one\n"]


@pytest.mark.parametrize("room", [0, 1, 5, 8, 9, 12])
def test_what_a_full_disk_took_of_a_line_is_cut_off(make, path, monkeypatch, room):
    """Of frames that do not fit on the disk the whole ones stay, and the ledger is told which; the rest can follow."""
    target, notes, real = make(), Notes(), os.write
    left = [room]

    def full(descriptor, data):
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = bytes(data[: left[0]])
        left[0] -= len(part)
        return real(descriptor, part)

    monkeypatch.setattr(file_module.os, "write", full)
    frames = b"one\ntwo\xff2\nthree\n"
    whole = {0: 0, 1: 0, 5: 4, 8: 4, 9: 4, 12: 10}[room]
    with target.turn():
        if whole:
            assert target.append(frames, notes) == whole
        else:
            with pytest.raises(OSError, match="No space"):
                target.append(frames, notes)
    assert notes.committed == [whole]
    monkeypatch.undo()
    write(target, frames[whole:])
    assert path.read_bytes() == b"one\ntwo\n2\nthree\n"


def test_durable_lines_are_synced_before_they_count(make, monkeypatch):
    """With durable=True the disk has the lines before the ledger is told."""
    order = []
    monkeypatch.setattr(file_module.os, "fdatasync", lambda _: order.append("synced"))
    notes = Notes()
    monkeypatch.setattr(notes, "commit", lambda _: order.append("noted"))
    write(make(durable=True), b"one\n", notes)
    assert order == ["synced", "noted"]


def test_a_new_day_begins_a_new_file(make, path):
    """With every="day", the first line of today puts yesterday's file aside; the next one does not."""
    target = make(Rotation(every="day"))
    write(target, b"yesterday\n")
    before = path.stat().st_mtime - 86_400
    os.utime(path, (before, before))
    write(target, b"today\n")
    write(target, b"still today\n")
    assert parts(path) == [b"yesterday\n", b"today\nstill today\n"]


def test_a_file_system_without_locks_is_written_all_the_same(make, path, monkeypatch):
    """Where the system knows no such locks, lines are written without turns."""

    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("weft.logs.targets.locking.fcntl.flock", none)
    write(make(), b"one\n")
    assert path.read_bytes() == b"one\n"


def test_a_full_disk_is_an_oserror_wherever_it_is_met(make, path, monkeypatch):
    """Also where it keeps another program's line from being ended, or a dead process's from being completed."""
    target = make()
    path.write_bytes(b"half")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_module.os, "write", full)
    with target.turn():
        with pytest.raises(OSError, match="No space"):
            target.append(b"one\n", Notes())
        with pytest.raises(OSError, match="No space"):
            target.resume(b"rest\n")


def test_a_batch_that_could_not_be_synced_is_not_written_twice(make, path, monkeypatch):
    """With durable=True, what the disk did not confirm is cut off, because it will be written again."""
    target, notes, real = make(durable=True), Notes(), os.fdatasync

    def broken(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(file_module.os, "fdatasync", broken)
    with target.turn(), pytest.raises(OSError, match="Input/output"):
        target.append(b"one\n", notes)
    monkeypatch.setattr(file_module.os, "fdatasync", real)
    write(target, b"one\n", notes)
    assert notes.committed == [0, 4]
    assert path.read_bytes() == b"one\n"


def test_a_turn_that_cannot_be_taken_is_given_back(make, path, monkeypatch):
    """Where the file cannot be looked at, the others do not wait for this process."""
    target = make()

    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(file_module.Path, "stat", denied)
    with pytest.raises(PermissionError), target.turn():
        pass
    monkeypatch.undo()
    with path.open() as other:
        assert try_take(other.fileno())


def test_no_thread_for_compressing_is_no_trouble(make, path, monkeypatch):
    """Where no thread can be started, old files wait for the next rotation, and closing goes well."""

    def none(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(file_module.threading.Thread, "start", none)
    target = make(Rotation(max_bytes=5, compress=True))
    write(target, b"one\ntwo\n")
    target.close()
    assert parts(path) == [b"one\n", b"two\n"]


def test_a_file_that_may_not_be_put_aside_grows_on(make, path, monkeypatch, capfd):
    """Where the folder belongs to somebody else, lines are worth more than a rotation; it is said once."""
    target = make(Rotation(max_bytes=8))

    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(file_module.Path, "rename", denied)
    for line in (b"one\n", b"two\n", b"three\nfour\n"):
        write(target, line)
    assert path.read_bytes() == b"one\ntwo\nthree\nfour\n"
    assert target.rotations == 0
    assert capfd.readouterr().err.count("cannot be put aside") == 1
