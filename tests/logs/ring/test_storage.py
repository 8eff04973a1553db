"""The memory of a ring outlives whoever made it, and tells what was in it."""

import os
import time
from types import SimpleNamespace

import pytest

from weft.logs.ring import storage as storage_module
from weft.logs.ring.places import Place, orphans
from weft.logs.ring.places import rings as rings_in
from weft.logs.ring.storage import Counters, Intent, Mark, Storage

SIZE, COUNT = 16_384, 4


@pytest.fixture
def place(rings):
    return Place(rings, "key")


def reopen(storage):
    """As the next process would, once the lock is free."""
    storage.close(remove=False)
    (found,) = orphans(storage.path.parent)
    return found


def test_what_was_written_can_be_found_again(place):
    """Who made the ring, for what, its intent, its counters and its frames are there when it is opened again."""
    made = place.create("/var/log/app.log", SIZE, COUNT, 12.5)
    made.activate(2, 7)
    made.segments[2].write(b"one\ntwo\n")
    made.drained(2, 4)
    made.intend(Intent(7, 4, 8, Mark(1, 2, 3)))
    made.count(Counters(lines=5, troubled=1.5))
    found = reopen(made)
    assert (found.pid, found.born, found.target) == (os.getpid(), 12.5, "/var/log/app.log")
    assert found.intent == Intent(7, 4, 8, Mark(1, 2, 3))
    assert found.counters == Counters(lines=5, troubled=1.5)
    assert list(found.left_behind()) == [(2, 4, 8)]
    found.close(remove=True)
    assert rings_in(place.folder) == []


def test_a_frame_that_was_not_copied_whole_is_not_there(place):
    """Of a copy that a kill interrupted, with a hole in it, nothing is left; the whole frames before it are."""
    made = place.create("t", SIZE, COUNT, 0.0)
    made.activate(0, 1)
    made.segments[0].write(b"whole\nbroken li\0\0\0end\n")
    found = reopen(made)
    assert list(found.left_behind()) == [(0, 0, 6)]
    found.close(remove=True)


def test_segments_are_found_in_the_order_of_their_use(place):
    """What is left behind is told in the order in which it was written, whichever segment it is in."""
    made = place.create("t", SIZE, COUNT, 0.0)
    for sequence, index in enumerate((3, 0, 2), start=1):
        made.activate(index, sequence)
        made.segments[index].write(b"line\n")
    found = reopen(made)
    assert [index for index, _, _ in found.left_behind()] == [3, 0, 2]
    found.close(remove=True)


def test_a_living_ring_is_nobodys_orphan(place):
    """The ring of a process that lives, this one among them, cannot be taken over."""
    made = place.create("t", SIZE, COUNT, 0.0)
    assert list(orphans(place.folder)) == []
    made.close(remove=True)


@pytest.mark.parametrize("content", [b"", b"weftlog1", b"something else" * 100, b"weftlog1" + b"\xff" * 100])
def test_a_file_that_is_no_ring_is_left_alone(place, content):
    """An empty, cut or strange file of that name is neither opened nor removed."""
    stranger = place.folder / "key.1.strange.ring"
    stranger.write_bytes(content)
    assert list(orphans(place.folder)) == []
    assert stranger.read_bytes() == content


def test_no_ring_is_begun_where_there_is_no_room(place, monkeypatch):
    """All memory is reserved at once: a full system says so then, and nothing is left behind."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        place.create("t", SIZE, COUNT, 0.0)
    assert list(place.folder.iterdir()) == []


def test_a_folder_that_others_can_write_to_is_refused(tmp_path):
    """Rings are not put where another user could read or change them."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="this user alone"):
        Place(folder, "key")


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path):
    """A symbolic link that somebody has laid where the folder should be is not followed."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="this user alone"):
        Place(tmp_path / "link", "key")


def test_the_exact_end_of_a_full_segment_is_found():
    """A segment that is full to its last byte ends there; sealing it twice changes nothing."""
    made = Storage.anonymous(SIZE, 1)
    made.segments[0].write(b"x" * (SIZE - 1) + b"\n")
    assert made.seal(0) == SIZE
    assert made.seal(0) == SIZE
    made.close(remove=True)


def test_what_was_never_finished_is_swept_away(place):
    """A ring whose process was killed while it made it is removed later, and one that is being made now is not."""
    for name, age in (("old.1.a.new", 120), ("young.1.b.new", 0)):
        (place.folder / name).write_bytes(b"")
        before = time.time() - age
        os.utime(place.folder / name, (before, before))
    place.create("t", SIZE, COUNT, 0.0).close(remove=True)
    assert [path.name for path in place.folder.iterdir()] == ["young.1.b.new"]


def test_nothing_can_be_written_before_the_segment_has_its_number(place):
    """A thread that is late may fill the segment at once: by then a process that comes later must know of it."""
    made = place.create("key", SIZE, COUNT, 0.0)
    made.seal(1)
    plain, seen = made.segments[1], []

    class Watched:
        def seek(self, where):
            seen.append(made.entry(1))
            plain.seek(where)

    made.segments[1] = Watched()
    made.activate(1, 7)
    assert seen == [(7, 0)]
    made.segments[1] = plain
    made.close(remove=True)


def test_noting_how_much_is_drained_leaves_the_number_of_the_segment_alone(place, monkeypatch):
    """The whole entry is not packed again: `struct` makes zero first what it packs, and 0 says that it is free."""
    made = place.create("key", SIZE, COUNT, 0.0)
    made.activate(0, 7)
    entry = storage_module._ENTRY
    monkeypatch.setattr(storage_module, "_ENTRY", SimpleNamespace(size=entry.size, unpack_from=entry.unpack_from))
    made.drained(0, 5)
    assert made.entry(0) == (7, 5)
    made.close(remove=True)
