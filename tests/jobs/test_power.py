"""The machine's power fails: what was acknowledged is there, and the file is sound."""

import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "disks"))

import power  # noqa: E402 - from beside this file

CUTS = 60
PROGRAM = """
import os, sys, threading
sys.path.insert(0, {here!r})
import chores
from weft import jobs
jobs.use("sqlite:{folder}/jobs.db?synchronous={synchronous}")
acks = os.open("{folder}/acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
worker = jobs.Worker({{"default": 4}}).start()

def produce():
    for _ in range(150):
        uid = chores.note.enqueue("x").uid
        os.write(acks, (uid + "\\n").encode())

threads = [threading.Thread(target=produce) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
os._exit(0)
"""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    try:
        return power.build(tmp_path_factory.mktemp("recorder"))
    except FileNotFoundError:
        pytest.skip("no C compiler (cc) is here to build what records the writes")


@pytest.fixture
def lost_in_cuts(recorder, tmp_path):
    """Run a producer and a worker, cut the power at many moments, and count the acknowledged jobs that are gone."""

    def run(synchronous):
        folder, log = tmp_path / "disk", tmp_path / "log"
        folder.mkdir()
        environment = os.environ | {
            "LD_PRELOAD": str(recorder), "RECORD_FOLDER": str(folder / ""), "RECORD_LOG": str(log),
        }  # fmt: skip
        program = PROGRAM.format(here=str(HERE), folder=folder, synchronous=synchronous)
        subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
        recording = power.read(log)
        chance = random.Random(1)
        return [_lost(recording, chance, tmp_path / f"cut{number}") for number in range(CUTS)]

    return run


def _lost(recording, chance, folder):
    folder.mkdir()
    at = chance.randrange(len(recording.events) // 4, len(recording.events) + 1)
    for name, content in recording.after_cut(at, chance).items():
        if Path(name).name in {"jobs.db", "jobs.db-wal"}:
            (folder / Path(name).name).write_bytes(content)
    acks = recording.names.index(next(name for name in recording.names if name.endswith("/acks")))
    told = b"".join(event.data for event in recording.events[:at] if event.file == acks and event.kind == b"W")
    connection = sqlite3.connect(folder / "jobs.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    there = {row[0] for row in connection.execute("SELECT uid FROM job")}
    connection.close()
    return len(set(told.decode().split()) - there)


def test_a_power_cut_takes_no_acknowledged_job(lost_in_cuts):
    """Sixteen threads enqueue while a worker runs: whenever the power fails, what was acknowledged is there."""
    assert lost_in_cuts("full") == [0] * CUTS


def test_a_store_that_does_not_wait_for_the_disk_may_lose_some(lost_in_cuts):
    """With `synchronous=normal`, as its documentation says; and so it shows that the test above can fail."""
    assert sum(lost_in_cuts("normal")) > 0
