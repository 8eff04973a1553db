"""Workers that are killed, killed by a job, or stopped for a while: what is lost, what runs again, and how soon.

python benchmarks/jobs_kills.py [--rounds 3] [--only "weft"]
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from harness import Report

HERE = Path(__file__).parent
PEERS = [
    "weft", "weft PostgreSQL", "huey SQLite", "Dramatiq Redis", "Celery Redis", "RQ", "taskiq Redis", "Procrastinate",
    "DBOS SQLite",
]  # fmt: skip
JOBS, BEFORE, PATIENCE = 200, 60, 60.0
HARMLESS, POISON = 20, "10"
LONG, LONGER, STOPPED = "0", 25.0, 15.0


@contextmanager
def queue_of(peer, jobs, **environ):
    """So many jobs in a store of their own: its folder, and what workers need to know."""
    folder = Path(tempfile.mkdtemp(prefix="weft-jobs-"))
    environ = {
        **os.environ,
        "PEER": peer,
        "FOLDER": str(folder),
        "PYTHONWARNINGS": "ignore",
        "LASTS": "0.05",
        **environ,
    }
    try:
        subprocess.run(["redis-cli", "flushdb"], check=True, capture_output=True)
        command = [sys.executable, "job_peers.py", "enqueue", str(jobs)]
        subprocess.run(command, cwd=HERE, env=environ, check=True, stdout=subprocess.DEVNULL)
        yield folder, environ
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def worker(environ):
    words = [sys.executable, "job_peers.py", "work", "0"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, cwd=HERE, env=environ, start_new_session=True, **quiet) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it has forked


def events(folder):
    path = folder / "runs"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(n), what, float(when)) for n, what, when in (line.split() for line in lines)]


def wait(folder, holds, patience=PATIENCE):
    end = time.monotonic() + patience
    while not holds(events(folder)) and time.monotonic() < end:
        time.sleep(0.02)


def of(found, kind):
    return {n for n, what, _ in found if what == kind}


def killed(peer):
    """One worker, killed in the middle."""
    with queue_of(peer, JOBS) as (folder, environ):
        with worker(environ):
            wait(folder, lambda found: len(of(found, "ended")) >= BEFORE)
        when_killed, before = time.time(), events(folder)
        running = of(before, "begun") - of(before, "ended")
        with worker(environ):
            wait(folder, lambda found: len(of(found, "ended")) == JOBS)
        after = events(folder)[len(before) :]
        again = {n: when - when_killed for n, what, when in after if what == "begun" and n in running}
        return {
            "running when killed": len(running),
            "lost": JOBS - len(of(events(folder), "ended")),
            "finished ones run again": len(of(after, "begun") & of(before, "ended")),
            "seconds until all of them ran again": max(again.values(), default=0.0)
            if again.keys() >= running
            else PATIENCE,
        }


def poisoned(peer):
    """A job that kills its worker each time, beside harmless ones; a supervisor starts the worker again."""
    with queue_of(peer, HARMLESS + 1, POISON=POISON) as (folder, environ):
        end, starts = time.monotonic() + PATIENCE, 0
        while time.monotonic() < end:
            with worker(environ) as process:
                starts += 1
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:  # it lives: all that it will do is done
                    break
        found = events(folder)
        return {
            "times that the poison began": sum(n == int(POISON) and what == "begun" for n, what, _ in found),
            "workers killed by it": starts - 1,
            "harmless ones done": len(of(found, "ended")),
        }


def stopped(peer):
    """A worker that is stopped for 15 s with a job of 25 s under way, beside another that lives."""
    with queue_of(peer, 1, LONG=LONG, LONGER=str(LONGER)) as (folder, environ), worker(environ) as first:
        wait(folder, lambda found: found != [])
        with worker(environ):
            os.killpg(first.pid, signal.SIGSTOP)
            time.sleep(STOPPED)
            os.killpg(first.pid, signal.SIGCONT)
            wait(folder, lambda found: LONG in {str(n) for n in of(found, "ended")}, 2 * LONGER)
            time.sleep(5.0)
        return {"times that the job began": sum(what == "begun" for _, what, _ in events(folder))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", help="this peer alone; nothing is written then")
    options = parser.parse_args()
    peers = options.only or PEERS
    report = Report(
        "jobs_kills",
        f"A worker of 8 slots is killed (SIGKILL) amid {JOBS} jobs of 50 ms, and started again at once; lost "
        f"is what has not run {PATIENCE:g} s later, and so many seconds also mean never. A job that kills its "
        f"worker each time beside {HARMLESS} harmless ones, with a supervisor that starts the worker again, "
        f"for {PATIENCE:g} s. A worker that is stopped (SIGSTOP) for {STOPPED:g} s with a job of {LONGER:g} s "
        "under way, beside another that lives. huey and Dramatiq have their defaults; Celery, RQ, taskiq and "
        "Procrastinate the safest settings that they have, with 10 s of visibility or heartbeat.",
    )
    medians = {}
    for case, measure, rounds in (
        ("kill -9", killed, options.rounds), ("poison", poisoned, 1), ("stopped", stopped, 1),
    ):  # fmt: skip
        for peer in peers:
            figures = [measure(peer) for _ in range(rounds)]
            print(case, peer, figures, flush=True)
            for metric in figures[0]:
                unit = "s" if metric.startswith("seconds") else "jobs"
                medians[case, peer, metric] = report.row(case, peer, metric, unit, [each[metric] for each in figures])
    if options.only:
        return
    lost = medians["kill -9", "weft", "lost"]
    report.ratio("jobs that a killed worker has lost", lost, "0", met=lost == 0)
    soon = medians["kill -9", "weft", "seconds until all of them ran again"]
    report.ratio("seconds until what it was running runs again", soon, "at most 2 s", met=soon <= 2)
    done = medians["poison", "weft", "harmless ones done"]
    report.ratio(
        "harmless jobs done beside one that kills its worker", done, f"{HARMLESS} of {HARMLESS}", met=done == HARMLESS
    )
    began = medians["stopped", "weft", "times that the job began"]
    report.ratio("starts of a job whose worker was stopped for 15 s", began, "1", met=began == 1)
    report.write()


if __name__ == "__main__":
    main()
