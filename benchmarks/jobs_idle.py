"""An idle job store: how soon a job starts, and what waiting costs; peers in turn.

python benchmarks/jobs_idle.py [--rounds 3]
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Report
from log_bench import quantile

HERE = Path(__file__).parent
PEERS = ["weft", "huey SQLite", "huey Redis", "Dramatiq Redis"]
PROBES, IDLE = 60, 10.0

SAME = """
import sys, threading, time
from job_peers import KINDS, PEER
import job_peers
peer = KINDS[PEER]()
started = threading.Event()
job_peers.ran = lambda: (started.set(), setattr(job_peers, "at", time.time()))
worker = job_peers.weft.jobs.embedded(default=job_peers.SLOTS)
for n in range(int(sys.argv[1])):
    time.sleep(0.05)
    started.clear()
    began = time.time()
    peer.enqueue(n)
    started.wait()
    print(job_peers.at - began, flush=True)
"""


def cpu_of(pid):
    # In nanoseconds; the ticks of /proc/PID/stat would be too coarse.
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def across(peer, folder):
    """Seconds from the call in one process to the start in another, and the CPU of a worker that has nothing to do."""
    environ = {**os.environ, "PEER": peer, "FOLDER": str(folder), "STARTS": "1"}
    worker = subprocess.Popen(
        [sys.executable, "job_peers.py", "work", "0"], cwd=HERE, env=environ, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(2.0)
        before = cpu_of(worker.pid)
        time.sleep(IDLE)
        idle = (cpu_of(worker.pid) - before) / IDLE * 100
        probe = [sys.executable, "job_peers.py", "probe", str(PROBES)]
        done = subprocess.run(probe, cwd=HERE, env=environ, capture_output=True, text=True, check=True)
        time.sleep(1.0)
        began = [float(line) for line in done.stdout.split()]
        starts = [float(line) for line in (folder / "starts").read_text().split()]
        waits = [start - call for call, start in zip(began, starts, strict=True)]
        return {"start": quantile(waits, 0.5) * 1000, "p99": quantile(waits, 0.99) * 1000, "idle": idle}
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()


def same(folder):
    environ = {**os.environ, "PEER": "weft", "FOLDER": str(folder)}
    code = [sys.executable, "-c", SAME, str(PROBES)]
    done = subprocess.run(code, cwd=HERE, env=environ, capture_output=True, text=True, check=True)
    waits = [float(line) for line in done.stdout.split()]
    return {"start": quantile(waits, 0.5) * 1000, "p99": quantile(waits, 0.99) * 1000}


def measured(measure, *arguments):
    folder = Path(tempfile.mkdtemp(prefix="weft-jobs-"))
    try:
        return measure(*arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    report = Report(
        "jobs_idle",
        "A job store with nothing to do: milliseconds from the call that stores a job to its start, in the same "
        "process and in another, one job each 50 ms; and the CPU of a worker that waits.",
    )
    here = [measured(same) for _ in range(rounds)]
    there = {peer: [] for peer in PEERS}
    for _ in range(rounds):
        for peer in PEERS:
            there[peer].append(measured(across, peer))
    start = report.row("same process", "weft", "enqueue to start, p50", "ms", [one["start"] for one in here])
    report.row("same process", "weft", "enqueue to start, p99", "ms", [one["p99"] for one in here])
    for peer, found in there.items():
        report.row("another process", peer, "enqueue to start, p50", "ms", [one["start"] for one in found])
        report.row("another process", peer, "enqueue to start, p99", "ms", [one["p99"] for one in found])
        report.row("another process", peer, "CPU when idle", "%", [one["idle"] for one in found])
    other = statistics.median(one["start"] for one in there["weft"])
    idle = statistics.median(one["idle"] for one in there["weft"])
    report.ratio("the same process: enqueue to start, p50, ms", start, "at most 5 ms", met=start <= 5)
    report.ratio("another process: enqueue to start, p50, ms", other, "at most 25 ms", met=other <= 25)
    report.ratio("idle: CPU of a worker, %", idle, "at most 0.1", met=idle <= 0.1)
    report.write()


if __name__ == "__main__":
    main()
