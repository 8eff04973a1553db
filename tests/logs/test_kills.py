"""A process is killed at each step on a line's way: the next one writes what is missing, once, and nothing torn."""

import re

import pytest

LINES = [b"%d %s\n" % (number, b"x" * 50) for number in range(100)]
LOG_ALL = """
    log.write(b"before\\n")
    assert log.drain(20)
    for number in range(100):
        log.write(b"%d %s\\n" % (number, b"x" * 50))
    os.write(1, b"acknowledged")
    log.drain(20)
"""

LOG_RESCUER = """
    log.write(b"rescuer\\n")
    log.drain(20)
    log.close()
"""

# How far the process comes: code that lets it die at a step of the writer.
STEPS = {
    "before it notes what it is about to write": """
        from weft.logs.ring.storage import Storage
        plain, notes = Storage.intend, []
        def intend(self, intent):
            notes.append(intent)
            return die() if len(notes) > 1 else plain(self, intent)
        Storage.intend = intend
    """,
    "before it writes": """
        from weft.logs.ring.storage import Storage
        plain, notes = Storage.intend, []
        def intend(self, intent):
            plain(self, intent)
            notes.append(intent)
            if len(notes) > 1: die()
        Storage.intend = intend
    """,
    "after it has written, before it notes it": """
        from weft.logs.ring.storage import Storage
        plain, notes = Storage.drained, []
        def drained(self, index, upto):
            notes.append(upto)
            return die() if len(notes) > 1 else plain(self, index, upto)
        Storage.drained = drained
    """,
    "between its two notes": """
        from weft.logs.ring.storage import Storage
        plain, notes = Storage.settle, []
        def settle(self):
            notes.append(1)
            return die() if len(notes) > 1 else plain(self)
        Storage.settle = settle
    """,
    "before it gives the turn back": """
        from weft.logs.targets.gate import Gate
        plain, notes = Gate.open, []
        def open_gate(self):
            notes.append(1)
            return die() if len(notes) > 1 else plain(self)
        Gate.open = open_gate
    """,
}


def dying_after(written):
    """Code that lets the process die when it has written so many bytes of the lines."""
    return f"""
        plain, left = os.write, [len(b"before\\n") + {written}]
        def write(descriptor, data):
            if descriptor == 1: return plain(descriptor, data)
            done = plain(descriptor, bytes(data[:left[0]]))
            left[0] -= done
            if not left[0]: die()
            return done
        os.write = write
    """


STEPS |= {f"when {written:,} bytes are written": dying_after(written) for written in (1, 2, 52, 53, 54, 1000, 5000)}


def log_and_die(in_process, step, **options):
    done = in_process(step, LOG_ALL, **options)
    assert done.returncode == -9, done.stderr
    assert done.stdout == "acknowledged"


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_the_next_process_writes_what_is_missing(in_process, open_here, path, rings, step):
    """Wherever the writer is killed, every acknowledged line is in the file once, whole, and no ring is left."""
    log_and_die(in_process, step)
    log = open_here()
    log.write(b"after\n")
    assert log.close()
    found = path.read_bytes().splitlines(keepends=True)
    assert found[0] == b"before\n"
    assert [line for line in found[1:] if line != b"after\n"] == LINES
    assert found.count(b"after\n") == 1
    assert list(rings.iterdir()) == []


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_living_process_writes_what_is_missing(in_process, open_here, path, step):
    """A process that had the log open all the time completes a torn line before it writes anything behind it."""
    log = open_here()
    log.write(b"early\n")
    assert log.drain()
    log_and_die(in_process, step)
    log.write(b"after\n")
    assert log.drain()
    again = open_here()  # where the writer died between two turns, its lines come with the next look for orphans
    again.write(b"again\n")
    assert again.close()
    found = path.read_bytes().splitlines(keepends=True)
    assert sorted(found) == sorted([b"early\n", b"before\n", b"after\n", b"again\n", *LINES])


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_recovery_can_be_killed_as_well(in_process, open_here, path, step):
    """A process that dies at the same step while it recovers for another leaves no less and no more."""
    log_and_die(in_process, dying_after(60))
    rescuer = in_process(step, LOG_RESCUER)
    assert rescuer.returncode in {-9, 0}, rescuer.stderr
    log = open_here()
    log.write(b"after\n")
    assert log.close()
    found = path.read_bytes().splitlines(keepends=True)
    assert [line for line in found if line in LINES] == LINES
    assert set(found) - set(LINES) <= {b"before\n", b"rescuer\n", b"after\n"}


def test_what_was_rotated_in_between_is_found(in_process, open_here, path):
    """Where logrotate moves the file before anybody recovers, what is in the moved one is not written again."""
    log_and_die(in_process, dying_after(1000))
    path.rename(path.with_name("app.log.1"))
    log = open_here()
    log.write(b"after\n")
    assert log.close()
    moved, new = path.with_name("app.log.1").read_bytes(), path.read_bytes()
    torn = moved.rpartition(b"\n")[2]
    assert new.splitlines(keepends=True)[0].startswith(torn)
    whole = moved.removesuffix(torn) + new
    assert re.findall(rb"^\d+ x{50}\n", whole, flags=re.MULTILINE) == LINES


def test_an_exit_without_cleaning_up_loses_nothing(in_process, open_here, path):
    """`os._exit` right behind a log call: the line is written by the next process."""
    assert in_process('log.write(b"last words\\n")\nos._exit(3)').returncode == 3
    log = open_here()
    log.write(b"after\n")
    assert log.close()
    assert sorted(path.read_bytes().splitlines()) == [b"after", b"last words"]


def test_a_termination_loses_nothing(in_process, open_here, path):
    """SIGTERM right behind a log call, with nobody to handle it: the line is written by the next process."""
    assert in_process('log.write(b"last words\\n")\nos.kill(os.getpid(), signal.SIGTERM)').returncode == -15
    log = open_here()
    log.write(b"after\n")
    assert log.close()
    assert sorted(path.read_bytes().splitlines()) == [b"after", b"last words"]


def test_a_new_program_in_the_same_process_loses_nothing(in_process, open_here, path):
    """`exec` right behind a log call: the ring is free for the next one that opens the log."""
    code = 'log.write(b"last words\\n")\nos.execv(sys.executable, [sys.executable, "-c", ""])'
    assert in_process(code).returncode == 0
    log = open_here()
    log.write(b"after\n")
    assert log.close()
    assert sorted(path.read_bytes().splitlines()) == [b"after", b"last words"]


def test_the_last_one_to_close_writes_for_the_others(in_process, open_here, path, rings):
    """A process that ends in order takes the lines of those that were killed meanwhile with it, and leaves no ring."""
    log = open_here()
    log.write(b"master\n")
    assert log.drain()
    assert in_process('log.write(b"worker\\n")\ndie()').returncode == -9
    assert log.close()
    assert path.read_bytes() == b"master\nworker\n"
    assert list(rings.iterdir()) == []
