"""Facts about `weft doctor`: what it shows, and what it thinks wrong."""

import json
import sys

import pycurl
import pytest
from commandline import weft

from weft.cli.facts import Problem, facts, problems
from weft.cli.main import main


@pytest.fixture
def seen():
    """What a machine without problems looks like."""
    return {
        "python": {"build": "with GIL", "gil_enabled": True},
        "platform": {"system": "Linux"},
        "loop": {"background": "uvloop", "why": "it is installed"},
        "http": {"engine": "pycurl 7", "resolver": "threads", "http2": True, "certificates": "/etc/ca.pem"},
        "files": {"soft_limit": 1024},
        "logs": {"rings": "/dev/shm/weft-logs-0", "free": 64 << 20},
        "extras": {"gevent": None, "eventlet": None, "uvloop": None},
    }


def test_the_page_shows_every_topic():
    """`weft doctor` shows Python, CPUs with the reason, pools, loop, HTTP engine, files, extras and settings."""
    done = weft("doctor")
    assert done.returncode == 0
    topics = [line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert topics[:10] == ["python", "platform", "cpus", "pools", "loop", "http", "files", "logs", "extras", "config"]
    assert "decided by" in done.stdout
    assert pycurl.version_info()[1] in done.stdout


def test_the_document_holds_the_facts():
    """`weft doctor --json` is one JSON document, version 1, with the same topics and the problems."""
    done = weft("doctor", "--json")
    document = json.loads(done.stdout)
    assert document["version"] == 1
    assert document["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert document["cpus"]["usable"] >= 1
    assert document["http"]["libcurl"] == pycurl.version_info()[1]
    assert set(document) == {*facts(), "version", "problems"}


def test_a_sound_machine_has_no_problems(seen):
    """What is as it should be is not complained about."""
    assert problems(seen) == []


@pytest.mark.parametrize(
    ("topic", "change", "level", "said"),
    [
        ("http", {"engine": None, "error": "no libcurl.so.4"}, "error", "pycurl cannot be imported: no libcurl.so.4"),
        ("http", {"resolver": "blocking"}, "error", "resolves names blocking"),
        ("http", {"http2": False}, "warning", "without HTTP/2"),
        ("http", {"certificates": None}, "error", "no trusted certificates"),
        ("logs", {"free": 3 << 20}, "warning", "3 MiB are free where logs wait"),
        ("python", {"build": "free-threaded", "gil_enabled": True}, "warning", "free-threaded, and the GIL is on"),
        ("loop", {"background": "asyncio", "why": "uvloop is not installed"}, "warning", "uvloop is not installed"),
        ("files", {"soft_limit": 256}, "warning", "only 256 files"),
        ("extras", {"gevent": "25.1"}, "warning", "gevent is installed"),
        ("extras", {"eventlet": "0.40"}, "warning", "eventlet is installed"),
    ],
)
def test_what_is_wrong_is_told_with_advice(seen, topic, change, level, said):
    """Each thing that is wrong has a level, a sentence, and what to do about it."""
    seen[topic] |= change
    (problem,) = problems(seen)
    assert problem.level == level
    assert said in problem.what
    assert problem.advice


def test_a_missing_engine_fails_the_doctor(monkeypatch, capsys):
    """Where pycurl cannot be imported the doctor says so, advises, and exits with 1."""
    monkeypatch.setitem(sys.modules, "pycurl", None)
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "error: pycurl cannot be imported" in printed
    assert "try: pip install --upgrade pycurl" in printed


def test_a_warning_does_not_fail_the_doctor(monkeypatch, capsys):
    """A warning is shown, and the exit status stays 0."""
    monkeypatch.setattr("weft.cli.facts.problems", lambda seen: [Problem("warning", "slow", "be quick")])
    assert main(["doctor"]) == 0
    assert "warning: slow\n  try: be quick\n" in capsys.readouterr().out
