"""What weft costs before it is used: its import, and how much more the first fan-out takes than a warm one."""

import json
import os
import statistics
import subprocess
import sys

from harness import Report, cpus
from upstream import upstream

ROUNDS = 11
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

NOTE = "a script loads libcurl, uvloop and weft.http at its first call; the adapters load them when the app starts"
APP = """
import json, sys, time
import flask, weft
from weft.adapters.flask import Weft
app = flask.Flask("app")
Weft(app)
urls = [sys.argv[1]] * 20
@app.get("/")
def view():
    return str(len(weft.map(weft.http.get, urls, deadline=30).values()))
@app.get("/nothing")
def nothing():
    return ""
client = app.test_client()
client.get("/nothing")
took = []
for _ in range(6):
    t = time.perf_counter()
    assert client.get("/").text == "20"
    took.append((time.perf_counter() - t) * 1000)
print(json.dumps(took))
"""
HELP = """
import subprocess, sys, time
t = time.perf_counter()
subprocess.run([sys.executable, "-m", "weft.cli", "--help"], capture_output=True, check=True)
print((time.perf_counter() - t) * 1000)
"""


# As on a user's machine: the bytecode of an installed package is there, not compiled anew at each start.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def python(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout


def run():
    report = Report(
        "idle", "`import weft` at most 60 ms and no thread; the first fan-out at most 15 ms more than a warm one"
    )
    python("import weft, weft.http.curl, weft.cli.main")
    imports = [float(python(IMPORT)) for _ in range(ROUNDS)]
    cost = report.row("import weft", "weft", "wall", "ms", imports)
    report.ratio("import weft", cost, "at most 60 ms", met=cost <= 60)
    with upstream(cpus()[1]) as base:
        for where, code in (("in a Flask app", APP), ("in a bare script", FIRST)):
            runs = [json.loads(python(code, f"{base}/delay/0.1")) for _ in range(ROUNDS)]
            case = f"20 calls of 100 ms, {where}"
            first = report.row(case, "weft, first", "wall", "ms", [run[0] for run in runs])
            warm = report.row(case, "weft, warm", "wall", "ms", [statistics.median(run[1:]) for run in runs])
            more, note = first - warm, "" if code is APP else NOTE
            report.ratio(
                f"first fan-out {where}, more than a warm one, ms", more, "at most 15", met=more <= 15, note=note
            )
    shown = report.row("weft --help", "weft", "wall", "ms", [float(python(HELP)) for _ in range(ROUNDS)])
    report.ratio("the command's start, to its help, ms", shown, "at most 150", met=shown <= 150)
    report.write()


if __name__ == "__main__":
    run()
