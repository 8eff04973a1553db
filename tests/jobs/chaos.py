"""Workers and producers killed at random, on a disk that is full now and slow then.

For three minutes, as before a release: `python tests/jobs/chaos.py --seconds 180`. It says what it did, and what was
wrong; its exit status is 1 then.
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent
SIZE = 32  # megabytes of the disk, and two for each second: it is to be full when it is filled, and not before
ACTORS = {"producer": 3, "worker": 2}
SLOTS = 4
HELD = SLOTS + 500  # jobs that a worker may have taken, and done, before it can write that down
TURN = 1.0  # seconds that a turn may wait for its turn; what it claims has begun when it was asked for

PROGRAM = """
import os, sys, threading, time
sys.path.insert(0, {here!r})
import chores
from pathlib import Path
from weft import jobs
from weft.jobs.sqlite import database

slow, commit = Path({slow!r}), database._Writer.commit
def commit_slowly(writer):
    if slow.exists():
        time.sleep(0.02)
    commit(writer)
database._Writer.commit = commit_slowly

while True:
    try:
        jobs.use("sqlite:{disk}/jobs.db")
        break
    except jobs.StoreError:
        time.sleep(0.05)  # the disk is full

def produce(acks):
    while True:
        try:
            uid = chores.append.enqueue({done!r}).uid
        except jobs.StoreError:
            time.sleep(0.02)
        else:
            os.write(acks, (uid + "\\n").encode())
            time.sleep(0.002)

if __name__ == "__main__":
    if sys.argv[1] == "worker":
        jobs.Worker({{"default": {slots}}}).run()
    acks = os.open({acks!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    threads = [threading.Thread(target=produce, args=(acks,)) for _ in range(4)]
    for thread in threads:
        thread.start()
"""


@contextmanager
def small_disk(folder, seconds):
    """A file system of its own in this folder. Needs root.

    Raises:
        PermissionError: none may be mounted here.
    """
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE + int(2 * seconds)}m", "tmpfs", folder], check=False
    ).returncode:
        raise PermissionError("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Chaos:
    """The processes, the disk, and what has been done to them."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.disk, self.done, self.acks = folder / "disk", folder / "done", folder / "acks"
        self.slow, self.filler = folder / "slow", folder / "disk" / "filler"
        self.chance = random.Random(seed)
        self.kills = Counter()
        self.running = []
        script = PROGRAM.format(
            here=str(HERE), slow=str(self.slow), disk=self.disk, done=str(self.done), acks=str(self.acks), slots=SLOTS
        )
        (folder / "actor.py").write_text(script)

    def start(self, kind):
        command = [sys.executable, str(self.folder / "actor.py"), kind]
        self.running.append((kind, subprocess.Popen(command, stderr=subprocess.DEVNULL)))

    def kill_one(self):
        kind, process = self.running.pop(self.chance.randrange(len(self.running)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.kills[kind] += 1
        self.start(kind)

    def disturb_the_disk(self, part):
        """In the second third of the time it is full every other moment, in the last one it is slow."""
        if part < 1 / 3:
            return
        if part > 2 / 3:
            self.slow.touch()
            self.filler.unlink(missing_ok=True)
        elif self.filler.exists():
            self.filler.unlink()
        else:
            free = os.statvfs(self.disk)
            with self.filler.open("wb") as file, suppress(OSError):
                file.write(bytes(free.f_bavail * free.f_frsize))

    def run(self, seconds):
        for kind, count in ACTORS.items():
            for _ in range(count):
                self.start(kind)
        began = time.monotonic()
        while (part := (time.monotonic() - began) / seconds) < 1:
            time.sleep(self.chance.uniform(0.2, 0.8))
            self.kill_one()
            self.disturb_the_disk(part)
        self.filler.unlink(missing_ok=True)
        self.slow.unlink(missing_ok=True)
        for _, process in self.running:
            process.kill()
            process.wait()

    def settle(self, seconds):
        """Let one worker do what is left."""
        self.start("worker")
        end = time.monotonic() + seconds
        with sqlite3.connect(self.disk / "jobs.db", timeout=30) as connection:
            while connection.execute("SELECT count(*) FROM job WHERE state NOT IN (3, 5, 6)").fetchone() != (0,):
                if time.monotonic() > end:
                    break
                time.sleep(0.1)
        connection.close()
        _, worker = self.running.pop()
        worker.terminate()
        worker.wait()

    def faults(self):
        """What was wrong, in words."""
        acked = self.acks.read_text().split()
        runs = Counter(self.done.read_text().split())
        connection = sqlite3.connect(self.disk / "jobs.db")
        sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
        rows = connection.execute(
            "SELECT uid, state, attempt, crashes, owner, created_at, started_at, finished_at FROM job"
        ).fetchall()
        connection.close()
        there = {row[0] for row in rows}
        found = [] if sound == "ok" else [f"the file is damaged: {sound}"]
        found += [f"acknowledged, and not in the store: {uid}" for uid in acked if uid not in there]
        found += [f"acknowledged, and not run: {uid}" for uid in acked if uid not in runs]
        found += [f"run, and not in the store: {uid}" for uid in runs if uid not in there]
        for uid, state, attempt, crashes, owner, created, started, finished in rows:
            if state != 3:
                found.append(f"not completed: {uid} is in state {state}")
            elif owner is not None or attempt != 1 or crashes > 2 or not created - TURN <= started <= finished:
                found.append(f"impossible: {uid}: {owner=} {attempt=} {crashes=} {created=} {started=} {finished=}")
        again = sum(runs.values()) - len(runs)
        most = HELD * (self.kills["worker"] + ACTORS["worker"])
        if again > most:
            found.append(f"run again: {again} jobs, where {self.kills['worker']} kills explain {most}")
        self.figures = {
            "acknowledged": len(acked), "stored": len(rows), "run again": again, "killed": dict(self.kills),
        }  # fmt: skip
        return found


def chaos(folder, seconds, seed):
    """Do it; what it came to, and what was wrong."""
    made = Chaos(folder, seed)
    made.disk.mkdir()
    with small_disk(made.disk, seconds):
        made.run(seconds)
        made.settle(30 + seconds)
        return made.faults(), made.figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        faults, figures = chaos(Path(folder), options.seconds, options.seed)
    sys.stdout.write("\n".join([json.dumps({**figures, "faults": len(faults)}), *faults[:20], ""]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
