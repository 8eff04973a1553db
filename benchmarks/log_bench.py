"""What the benchmarks of logging share: each measurement in a fresh process, of either Python, one after the other."""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import Report


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


COSTS = {"p50": "µs", "p99": "µs", "over 10 ms": "% of calls", "longest": "ms"}


def costs(taken):
    """The figures of COSTS, of calls that took so many nanoseconds."""
    return {
        "p50": quantile(taken, 0.5) / 1000,
        "p99": quantile(taken, 0.99) / 1000,
        "over 10 ms": sum(each > 10_000_000 for each in taken) / len(taken) * 100,
        "longest": max(taken) / 1e6,
    }


def run(script, one, compare, *, rounds=3):
    """Be the process that measures one peer, or the one that compares them all.

    Args:
        script: the file that calls this.
        one: measures: `one(peer, path, **arguments)` returns figures fit for JSON.
        compare: `compare(measure, options)`, with `measure(python, peer, **arguments)` for one measurement.
        rounds: how often, unless the command line says otherwise.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--python", action="append", help="an interpreter to measure with (default: this one)")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--dir", type=Path, help="where logs are written (default: the system's temporary folder)")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(**json.loads(options.one))))
        return
    options.python = options.python or [sys.executable]

    def measure(python, peer, **arguments):
        folder = Path(tempfile.mkdtemp(dir=options.dir))
        try:
            order = json.dumps({"peer": peer, "path": str(folder / "app.log"), **arguments})
            done = subprocess.run(
                [python, script, "--one", order], capture_output=True, text=True, timeout=300, check=False
            )
            if done.returncode:
                raise RuntimeError(f"{peer}: {done.stderr}")
            return json.loads(done.stdout.splitlines()[-1])
        finally:
            shutil.rmtree(folder)

    compare(measure, options)


def version(python):
    """As in "3.11"."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def in_turn(measure, options, peers, **arguments):
    """Every peer once a round; the figures by peer, a list for each metric."""
    found = {}
    for number in range(options.rounds):
        for peer in peers[number % len(peers) :] + peers[: number % len(peers)]:
            for metric, value in measure(peer=peer, **arguments).items():
                found.setdefault(peer, {}).setdefault(metric, []).append(value)
    return found


def write_rows(report, case, figures, units):
    """Rows for all peers and metrics; the medians by peer and metric."""
    return {
        peer: {metric: report.row(case, peer, metric, units[metric], values) for metric, values in metrics.items()}
        for peer, metrics in figures.items()
    }


@contextlib.contextmanager
def reported(name, promise, options):
    report = Report(name, promise)
    report.document["python"] = ", ".join(version(python) for python in options.python)
    yield report
    report.write()
