"""Peers side by side in one run: each in a process of its own, asked in turn, medians and ratios written to JSON.

The server is pinned to one CPU and the peers to another, where there are two.
"""

import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from peers import PEERS
from upstream import raise_descriptor_limit

RESULTS = Path(__file__).parent / "results"


def cpus():
    """One CPU for the client and one for the server; the same, where there is one."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    return usable[0], usable[-1]


class Peer:
    """A peer in its own process, pinned, and warm from one measurement to the next."""

    def __init__(self, name):
        self.name = name
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve_peer, args=(name, theirs), daemon=True)
        self.process.start()

    def measure(self, urls, in_flight, timeout=300):
        """Make the calls; returns wall seconds, CPU seconds, threads at the peak, growth of RSS in bytes."""
        self.pipe.send((urls, in_flight))
        if not self.pipe.poll(timeout):
            self.process.kill()
            raise TimeoutError(f"{self.name} did not end within {timeout} s")
        answer = self.pipe.recv()
        if isinstance(answer, str):
            raise RuntimeError(f"{self.name}: {answer}")
        return answer

    def close(self):
        self.process.kill()
        self.process.join()


def serve_peer(name, pipe):
    """Run one peer: answer each order with its figures."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpus()[0]})
    raise_descriptor_limit()
    sys.setswitchinterval(0.005)
    peer = PEERS[name]()
    while True:
        urls, in_flight = pipe.recv()
        try:
            pipe.send(measure(peer, urls, in_flight))
        except Exception as error:
            pipe.send(repr(error))


def measure(peer, urls, in_flight):
    watch = Watch()
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    good = peer.fan_out(urls, in_flight)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    threads, grown = watch.stop()
    if good != len(urls):
        raise RuntimeError(f"{len(urls) - good} of {len(urls)} calls failed")
    return {"wall": wall, "cpu": cpu, "threads": threads, "rss": grown}


class Watch:
    """Looks, a few times a second, at how many threads there are and how much memory has grown."""

    def __init__(self):
        self.start_rss = rss()
        self.threads, self.rss = threading.active_count(), self.start_rss
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.wait(0.05):
            self.threads = max(self.threads, threading.active_count() - 1)
            self.rss = max(self.rss, rss())

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.threads, max(self.rss, rss()) - self.start_rss


def rss():
    """The resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Report:
    """Rows and ratios of one benchmark, in the common shape (see README.md)."""

    def __init__(self, name, promise):
        self.document = {
            "name": name,
            "promise": promise,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} CPUs",
            "python": platform.python_version(),
            "rows": [],
            "ratios": [],
        }

    def row(self, case, peer, metric, unit, values):
        """Add the figures of one peer in one case; returns their median."""
        median = statistics.median(values)
        self.document["rows"].append(
            {
                "case": case, "peer": peer, "metric": metric, "unit": unit, "median": median,
                "min": min(values), "max": max(values), "runs": len(values),
            }
        )  # fmt: skip
        print(f"{case:34} {peer:18} {metric:14} {median:12.4g} {unit}  ({min(values):.4g} to {max(values):.4g})")
        return median

    def ratio(self, what, value, target, *, met, note=""):
        """Add a ratio beside what was promised of it."""
        self.document["ratios"].append({"what": what, "value": value, "target": target, "met": bool(met), "note": note})
        print(f"{'met   ' if met else 'MISSED'} {what}: {value:.3g} (promised: {target}) {note}")

    def write(self):
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.document['name']}.json"
        path.write_text(json.dumps(self.document, indent=1) + "\n")
        print(f"written: {path}")


def in_turn(peers, rounds, measure_one):
    """Ask each peer once a round; returns the figures by peer. The first round warms up and does not count."""
    figures = {peer.name: [] for peer in peers}
    for number in range(rounds + 1):
        for peer in peers:
            taken = measure_one(peer)
            if number:
                figures[peer.name].append(taken)
    return figures
