"""What the tests of the command line share: running it, and results made by hand."""

import os
import subprocess
import sys
from argparse import Namespace

from weft.cli.results import Reading, Result
from weft.cli.targets import Target
from weft.telemetry.waterfall import Phase

PHASES = (Phase("dns", 0.1), Phase("connect", 0.1), Phase("tls", 0.2), Phase("wait", 0.5), Phase("body", 0.1))


def command(*words):
    return [sys.executable, "-W", "error", "-m", "weft.cli", *map(str, words)]


def environment(**more):
    unwanted = {"NO_COLOR", "TERM", "COLUMNS", "LINES", "PYTHONUNBUFFERED"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PYTHONIOENCODING": "utf-8", "no_proxy": "*", **more}


def weft(*words, feed=None, **more):
    """Run the command as users do; a run that hangs fails the test."""
    return subprocess.run(
        command(*words), input=feed, capture_output=True, text=True, encoding="utf-8",
        timeout=60, env=environment(**more), check=False,
    )  # fmt: skip


def options(**changed):
    return Namespace(**{"limit": 100, "deadline": None, "timeout": 10.0, "retries": 0} | changed)


def fine(line=1, url="https://example.org/", seconds=1.0, start=0.0, size=12_345):
    return Result(Target(line, url), "ok", start, seconds, 1, Reading(200, "2", size, PHASES))


def missing(line=2, url="https://example.org/missing"):
    reading = Reading(404, "1.1", 20, ())
    return Result(Target(line, url), "http_error", 0.5, 0.5, 1, reading, "HTTP 404", "Not Found")


def dead(line=3, url="https://dead.example/"):
    return Result(Target(line, url), "failed", 0.0, 0.25, 2, None, "DNSError", "no such host")
