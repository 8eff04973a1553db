"""What is lost when a process is killed while it logs, and when a process that logs forks again and again.

python benchmarks/logging_kills.py [--python OTHER_PYTHON ...] [--rounds 200]

Each round of the first kind forks a process that logs numbered lines and, after each call has returned, notes the
number in shared memory; it is killed at a random moment. What was noted was acknowledged, and has to be in the file.
"""

import logging
import mmap
import os
import random
import re
import signal
import struct
import threading
import time
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import log_peers
from log_bench import reported, run, version, write_rows

NAMES = ["FileHandler", "QueueHandler", "loguru", "loguru, enqueue", "weft.logs.setup"]
CHILDREN, LINES = 60, 3
UNITS = {"lost": "lines", "twice": "lines", "torn": "lines", "hung": "children", "acknowledged": "lines"}
OURS = "weft.logs.setup"


def one(peer, path, what, rounds):
    return kills(peer, path, rounds) if what == "kills" else storm(peer, path)


def kills(peer, path, rounds):
    chance, noted = random.Random(7), []
    memory = mmap.mmap(-1, 8)
    for number in range(rounds):
        struct.pack_into("<Q", memory, 0, 0)
        pid = os.fork()
        if not pid:
            log_until_killed(peer, path, number, memory)
        while not struct.unpack_from("<Q", memory)[0]:
            time.sleep(0.0005)
        time.sleep(chance.uniform(0.0, 0.04))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        noted.append(struct.unpack_from("<Q", memory)[0])
    open_again(peer, path)
    return account(path, {f"{number}-{line}" for number, lines in enumerate(noted) for line in range(lines)})


def log_until_killed(peer, path, number, memory):
    subject = log_peers.PEERS[peer](path)
    line = 0
    while True:
        subject.log(f"<{number}-{line}>")
        line += 1
        struct.pack_into("<Q", memory, 0, line)


def open_again(peer, path):
    """Do as the next process does, which recovers what it can."""
    after = log_peers.PEERS[peer](path)
    after.log("<last-0>")
    after.close()


def account(path, acknowledged):
    lines = Path(path).read_bytes().splitlines()
    found = Counter()
    torn = 0
    for line in lines:
        marks = re.findall(rb"<([\w-]+)>", line)
        if len(marks) == 1 and line.startswith(b"20") and line.endswith(b"alice"):
            found[marks[0].decode()] += 1
        else:
            torn += 1
    twice = sum(count - 1 for count in found.values())
    lost = len(acknowledged - set(found))
    return {"lost": lost, "twice": twice, "torn": torn, "hung": 0, "acknowledged": len(acknowledged)}


def storm(peer, path):
    warnings.simplefilter("ignore")  # what Python 3.12 says of forking with threads is a line of the log otherwise
    subject, over, counts = log_peers.PEERS[peer](path), threading.Event(), {}

    def chatter(thread):
        line = 0
        while not over.is_set():
            subject.log(f"<parent{thread}-{line}>")
            line += 1
            counts[thread] = line
            time.sleep(0.0002)

    threads = [threading.Thread(target=chatter, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    hung = sum(not survived(log_and_leave(subject, number)) for number in range(CHILDREN))
    over.set()
    for thread in threads:
        thread.join()
    subject.close()
    open_again(peer, path)
    wanted = {f"parent{thread}-{line}" for thread, lines in counts.items() for line in range(lines)}
    wanted |= {f"child{number}-{line}" for number in range(CHILDREN) for line in range(LINES)}
    return {**account(path, wanted), "hung": hung}


def log_and_leave(subject, number):
    pid = os.fork()
    if pid:
        return pid
    for line in range(LINES):
        subject.log(f"<child{number}-{line}>")
    if number % 2:  # the others end as children of multiprocessing do, without a word to logging
        logging.shutdown()
    os._exit(0)


def survived(pid):
    """Whether the child ends within 3 s; one that hangs is killed."""
    until = time.monotonic() + 3
    while time.monotonic() < until:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def compare(measure, options):
    rounds = options.rounds
    promise = (
        f"{rounds} processes killed with SIGKILL at random moments while they log as fast as they can; and {CHILDREN} "
        f"children of {LINES} lines each, forked from a process in which four threads log; every second child ends by "
        "os._exit, without a word to logging. Lost: lines whose call had returned, and which are not in the file after "
        "it has been opened again."
    )
    with reported("logging_kills", promise, options) as report:
        for python in options.python:
            for what, said in (("kills", f"{rounds} kills"), ("storm", f"{CHILDREN} forks")):
                case = f"Python {version(python)}, {said}"
                ask = partial(measure, python, what=what, rounds=rounds)
                found = {peer: {name: [value] for name, value in ask(peer).items()} for peer in NAMES}
                write_rows(report, case, found, UNITS)
                ours = {name: values[0] for name, values in found[OURS].items()}
                bad = ours["lost"] + ours["twice"] + ours["torn"] + ours["hung"]
                note = f"of {ours['acknowledged']:,}"
                sentence = f"{case}: lines of {OURS} that were lost, doubled or torn, and children that hung"
                report.ratio(sentence, bad, "0", met=bad == 0, note=note)


if __name__ == "__main__":
    run(__file__, one, compare, rounds=200)
