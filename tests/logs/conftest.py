"""What tests of logs share: a folder for rings, logs that are closed with the test, processes that can be killed."""

import subprocess
import sys
import textwrap

import pytest

from weft.logs.opening import open_log
from weft.logs.ring.frame import frame

SOON = 30.0  # seconds for what must happen; not a time that any test waits


@pytest.fixture
def rings(tmp_path):
    """Where the rings of this test lie."""
    return tmp_path / "rings"


@pytest.fixture
def path(tmp_path):
    """The log of this test."""
    return tmp_path / "app.log"


@pytest.fixture
def open_here(path, rings):
    """Open the test's log, with options; it is closed at the end."""
    opened = []

    def open_it(destination=path, **options):
        log = open_log(destination, {"ring": rings, **options}, frame)
        opened.append(log)
        return log

    yield open_it
    for log in opened:
        log.close(SOON)


@pytest.fixture
def in_process(path, rings):
    """Run code in a process of its own, in which `log` is the test's log; returns the ended process."""

    def run(*code, **options):
        prelude = (
            "import os, signal, sys, threading\n"
            "from weft.logs.opening import open_log\n"
            "from weft.logs.ring.frame import frame\n"
            f"log = open_log({str(path)!r}, {{'ring': {str(rings)!r}, **{options!r}}}, frame)\n"
            "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", prelude + "\n".join(map(textwrap.dedent, code))],
            capture_output=True, text=True, timeout=SOON, check=False,
        )  # fmt: skip

    return run
