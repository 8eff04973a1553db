"""What weft costs before it is used: its import, and how much more the first fan-out takes than a warm one."""

import json
import statistics
import subprocess
import sys

from harness import Report, cpus
from upstream import upstream

ROUNDS = 11
EMPTY = "import time; t = time.perf_counter(); print((time.perf_counter() - t) * 1000)"
IMPORT = "import time; t = time.perf_counter(); import weft; print((time.perf_counter() - t) * 1000)"
FIRST = """
import json, sys, time
import weft
urls = [sys.argv[1]] * 20
took = []
for _ in range(6):
    t = time.perf_counter()
    weft.map(weft.http.get, urls, deadline=30).values()
    took.append((time.perf_counter() - t) * 1000)
print(json.dumps(took))
"""


def python(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True).stdout


def run():
    report = Report(
        "idle", "`import weft` at most 60 ms and no thread; the first fan-out at most 15 ms more than a warm one"
    )
    imports = [float(python(IMPORT)) for _ in range(ROUNDS)]
    cost = report.row("import weft", "weft", "wall", "ms", imports)
    report.ratio("import weft", cost, "at most 60 ms", met=cost <= 60)
    with upstream(cpus()[1]) as base:
        runs = [json.loads(python(FIRST, f"{base}/delay/0.1")) for _ in range(ROUNDS)]
    first = report.row("20 calls of 100 ms", "weft, first", "wall", "ms", [run[0] for run in runs])
    warm = report.row("20 calls of 100 ms", "weft, warm", "wall", "ms", [statistics.median(run[1:]) for run in runs])
    report.ratio("first fan-out - warm fan-out", first - warm, "at most 15 ms", met=first - warm <= 15)
    report.write()


if __name__ == "__main__":
    run()
