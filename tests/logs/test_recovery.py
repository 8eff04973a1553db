"""What recovery holds while it works, and what a child forked meanwhile keeps of it."""

from pathlib import Path

import pytest

from weft.logs.ring import places
from weft.logs.ring.places import Place

MANY = 12


def leave_rings(in_process, number=MANY):
    """Let processes die that have logged a line each."""
    code = f"""
        import warnings
        from weft.logs.writer import Writer
        warnings.simplefilter("ignore")
        Writer.start = lambda self: True  # nobody writes, nor recovers for the others
        for number in range({number}):
            if not os.fork():
                log.write(b"%d\\n" % number)
                os._exit(0)
            os.wait()
    """
    done = in_process(code, ring_size=262_144)
    assert (done.returncode, done.stderr) == (0, "")


def test_many_dead_are_recovered_with_few_descriptors(in_process, path):
    """A process that may open few files recovers for more dead ones than it could hold at once."""
    leave_rings(in_process)
    code = """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
        log.write(b"after\\n")
        assert log.close()
        assert log.statistics().recovered == 12
    """
    done = in_process(code, ring_size=262_144)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.read_bytes().split()) == sorted([b"after", *(b"%d" % number for number in range(MANY))])


def test_a_ring_that_cannot_be_opened_is_not_held(in_process, path, rings, monkeypatch):
    """Where mapping a ring fails, its lock is given back, so that others can try."""
    leave_rings(in_process, 1)
    place = Place(rings, str(path))

    def none(*_):
        raise OSError(12, "Cannot allocate memory")

    held = Path("/proc/self/fd")
    before = len(list(held.iterdir()))
    monkeypatch.setattr(places.Storage, "open", none)
    with pytest.raises(OSError, match="allocate"):
        list(place.orphans())
    monkeypatch.undo()
    assert len(list(held.iterdir())) == before
    (found,) = place.orphans()
    found.close(remove=True)


def test_a_child_forked_during_recovery_holds_nothing_of_it(in_process):
    """The rings that its parent is just recovering are let go of: they would stay locked, and in memory, with it."""
    leave_rings(in_process, 1)
    code = """
        import warnings
        from weft.logs.ring import recovery
        warnings.simplefilter("ignore")
        plain, here, go = recovery._finish, threading.Event(), threading.Event()
        def finish(*those):
            here.set()
            go.wait(20)
            return plain(*those)
        recovery._finish = finish
        log.write(b"parent\\n")
        here.wait(20)
        child = os.fork()
        if not child:
            held = [os.readlink(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")
                    if os.path.exists(f"/proc/self/fd/{each}")]
            os._exit(sum(each.endswith(".ring") for each in held))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        go.set()
        assert log.close()
    """
    done = in_process(code, ring_size=262_144)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_without_a_ring_recovers_as_well(in_process, path, rings):
    """Where the dead have left no room for another ring, their lines are written and the room is free again."""
    leave_rings(in_process, 2)
    code = """
        from weft.logs.ring.storage import Storage
        def none(*_, **__): raise OSError(28, "No space left on device")
        Storage.create = none
        log.write(b"after\\n")
        assert not log.statistics().survives
        assert log.close()
    """
    done = in_process(code)
    assert done.returncode == 0, done.stderr
    assert sorted(path.read_bytes().split()) == [b"0", b"1", b"after"]
    assert list(rings.iterdir()) == []
