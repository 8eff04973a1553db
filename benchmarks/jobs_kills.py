"""A worker that is killed in the middle of 200 jobs, and started again: what is lost, and how soon the rest runs again.

python benchmarks/jobs_kills.py [--rounds 3]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Report

HERE = Path(__file__).parent
PEERS = ["weft", "huey SQLite", "Dramatiq Redis"]
JOBS, BEFORE, PATIENCE = 200, 60, 30.0


def worker(environ):
    words = [sys.executable, "job_peers.py", "work", "0"]
    return subprocess.Popen(words, cwd=HERE, env=environ, stderr=subprocess.DEVNULL)


def events(folder):
    path = folder / "runs"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(n), what, float(when)) for n, what, when in (line.split() for line in lines)]


def wait(folder, holds):
    end = time.monotonic() + PATIENCE
    while not holds(events(folder)) and time.monotonic() < end:
        time.sleep(0.02)


def one(peer):
    """The figures of one kill."""
    folder = Path(tempfile.mkdtemp(prefix="weft-jobs-"))
    environ = {**os.environ, "PEER": peer, "FOLDER": str(folder), "LASTS": "0.05"}
    try:
        if peer == "Dramatiq Redis":
            subprocess.run(["redis-cli", "flushdb"], check=True, capture_output=True)
        subprocess.run([sys.executable, "job_peers.py", "enqueue", str(JOBS)], cwd=HERE, env=environ, check=True)
        first = worker(environ)
        wait(folder, lambda found: sum(what == "ended" for _, what, _ in found) >= BEFORE)
        first.kill()
        first.wait()
        killed, before = time.time(), events(folder)
        open_then = {n for n, what, _ in before if what == "begun"} - {n for n, what, _ in before if what == "ended"}
        second = worker(environ)
        wait(folder, lambda found: len({n for n, what, _ in found if what == "ended"}) == JOBS)
        second.kill()
        second.wait()
        after = events(folder)[len(before) :]
        ended = {n for n, what, _ in events(folder) if what == "ended"}
        again = [when - killed for n, what, when in after if what == "begun" and n in open_then]
        done_before = {n for n, what, _ in before if what == "ended"}
        return {
            "running when killed": len(open_then),
            "lost": JOBS - len(ended),
            "finished ones run again": len({n for n, what, _ in after if what == "begun"} & done_before),
            "seconds until all of them ran again": max(again) if len(again) >= len(open_then) else PATIENCE,
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    report = Report(
        "jobs_kills",
        f"A worker of 8 threads is killed (SIGKILL) in the middle of {JOBS} jobs of 50 ms, and started again at once. "
        f"Lost is what has not run {PATIENCE:g} s later, with the defaults of each; so many seconds also mean never.",
    )
    found = {peer: [] for peer in PEERS}
    for _ in range(rounds):
        for peer in PEERS:
            found[peer].append(one(peer))
    medians = {}
    for peer, figures in found.items():
        for metric in figures[0]:
            unit = "s" if metric.startswith("seconds") else "jobs"
            medians[peer, metric] = report.row("kill -9", peer, metric, unit, [each[metric] for each in figures])
    lost = max(each["lost"] for each in found["weft"])
    report.ratio("jobs that a killed worker has lost", lost, "0", met=lost == 0)
    soon = medians["weft", "seconds until all of them ran again"]
    report.ratio("seconds until what it was running runs again", soon, "at most 2 s", met=soon <= 2)
    report.write()


if __name__ == "__main__":
    main()
