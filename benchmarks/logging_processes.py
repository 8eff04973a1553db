"""Four processes of eight threads log into one file that is rotated: lines lost, lines torn, lines a second.

python benchmarks/logging_processes.py [--python OTHER_PYTHON ...]
"""

import os
import threading
import time
from functools import partial
from pathlib import Path

import log_peers
from log_bench import in_turn, reported, run, version, write_rows

NAMES = [
    "FileHandler", "RotatingFileHandler", "loguru", "concurrent-log-handler", "weft.logs.Handler",
    "weft.logs.setup",
]  # fmt: skip
PROCESSES, THREADS, CALLS = 4, 8, 1_000
SIZES = {"64 KiB": 65_536, "1 MiB": 1 << 20}
UNITS = {"speed": "lines/s", "lost": "lines", "torn": "lines", "twice": "lines"}
OURS = "weft.logs.setup"


def one(peer, path, max_bytes):
    ready, go = os.pipe(), os.pipe()
    children = [child(peer, path, max_bytes, number, ready=ready[1], go=go[0]) for number in range(PROCESSES)]
    for _ in children:
        os.read(ready[0], 1)
    before = time.perf_counter()
    os.write(go[1], b"x" * PROCESSES)
    if any(os.waitpid(pid, 0)[1] for pid in children):
        raise RuntimeError("a process failed")
    seconds = time.perf_counter() - before
    return {"speed": PROCESSES * THREADS * CALLS / seconds, **account(Path(path).parent)}


def child(peer, path, max_bytes, process, *, ready, go):
    pid = os.fork()
    if pid:
        return pid
    try:
        subject = log_peers.PEERS[peer](path, max_bytes=max_bytes)
        os.write(ready, b"x")
        os.read(go, 1)
        threads = [threading.Thread(target=work, args=(subject, process, thread)) for thread in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        subject.close()
        os._exit(0)
    finally:
        os._exit(1)


def work(subject, process, thread):
    for number in range(CALLS):
        subject.log(f"<{process}-{thread}-{number}>")


def account(folder):
    """What is in all the files together, whatever they are called."""
    lines = [line for path in folder.iterdir() if ".log" in path.name for line in path.read_bytes().splitlines()]
    whole = [line[line.index(b"<") : line.index(b">")] for line in lines if is_whole(line)]
    wanted = PROCESSES * THREADS * CALLS
    return {"lost": wanted - len(set(whole)), "torn": len(lines) - len(whole), "twice": len(whole) - len(set(whole))}


def is_whole(line):
    return line.startswith(b"20") and line.endswith(b"for user alice") and line.count(b"<") == line.count(b"line ") == 1


def compare(measure, options):
    promise = (
        f"{PROCESSES} processes of {THREADS} threads log {CALLS:,} lines each into one file, rotated by size, all old "
        "files kept (FileHandler: not rotated, for comparison); timed until the last process has ended."
    )
    with reported("logging_processes", promise, options) as report:
        for python in options.python:
            for size, max_bytes in SIZES.items():
                case = f"Python {version(python)}, rotated at {size}"
                figures = in_turn(partial(measure, python), options, NAMES, max_bytes=max_bytes)
                found = write_rows(report, case, figures, UNITS)
                bad = sum(max(figures[OURS][metric]) for metric in ("lost", "torn", "twice"))
                report.ratio(f"{case}: lines of {OURS} that were lost, torn or doubled", bad, "0", met=bad == 0)
                speed = found[OURS]["speed"] / found["concurrent-log-handler"]["speed"]
                what = f"{case}: lines/s of {OURS} against concurrent-log-handler"
                report.ratio(what, speed, "at least 5", met=speed >= 5)


if __name__ == "__main__":
    run(__file__, one, compare)
