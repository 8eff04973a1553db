"""Facts about `weft logs recover` and `weft logs stats` as commands."""

import json
import os
import subprocess
import sys

import pytest
from commandline import environment

from weft.cli.main import main
from weft.logs.opening import open_log
from weft.logs.ring.frame import frame

SOON = 30.0


@pytest.fixture
def rings(tmp_path):
    return tmp_path / "rings"


@pytest.fixture
def leave(tmp_path, rings):
    """Leave lines behind: a process that logs them and is gone before they are written."""

    def leave_it(*lines, destination=tmp_path / "app.log"):
        code = (
            "import os, sys; from weft.logs.opening import open_log; from weft.logs.ring.frame import frame\n"
            f"log = open_log({str(destination)!r}, {{'ring': {str(rings)!r}}}, frame)\n"
            f"for line in {lines!r}: log.write(line)\n"
            "os._exit(0)\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=SOON, env=environment())

    return leave_it


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def recover(rings, *words):
    return main(["logs", "recover", "--ring", str(rings), *map(str, words)])


def test_what_was_left_behind_is_written_once(leave, rings, tmp_path, capsys):
    """The lines are appended to their log, and told by number; then there is nothing more."""
    leave(b"one\n", b"two\n")
    assert recover(rings) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'app.log'}: 2 lines recovered\n"
    assert (tmp_path / "app.log").read_bytes() == b"one\ntwo\n"
    assert recover(rings) == 0
    assert capsys.readouterr().out == "nothing was left behind\n"
    assert list(rings.iterdir()) == []


def test_one_log_can_be_chosen(leave, rings, tmp_path, here):
    """A log that is named, from wherever one stands, is recovered; another one is left for later."""
    leave(b"one\n")
    leave(b"two\n", destination=tmp_path / "other.log")
    assert recover(rings, "other.log") == 0
    assert (tmp_path / "other.log").read_bytes() == b"two\n"
    assert (tmp_path / "app.log").read_bytes() == b""


def test_lines_can_go_to_another_file(leave, rings, tmp_path):
    """`--to` writes them somewhere else."""
    leave(b"one\n")
    assert recover(rings, "--to", tmp_path / "rest.log") == 0
    assert (tmp_path / "rest.log").read_bytes() == b"one\n"


def test_a_stream_needs_another_file(leave, rings, tmp_path, capsys):
    """What was meant for a standard output that is gone can be written to a file, and the command says how."""
    os.mkfifo(tmp_path / "pipe")
    leave(b"one\n", destination=tmp_path / "pipe")
    assert recover(rings) == 0
    assert f"weft logs recover --to FILE {tmp_path / 'pipe'}" in capsys.readouterr().err
    assert recover(rings, tmp_path / "pipe") == 2
    assert recover(rings, "--to", tmp_path / "rest.log", tmp_path / "pipe") == 0
    assert (tmp_path / "rest.log").read_bytes() == b"one\n"


def test_recovering_for_machines(leave, rings, tmp_path, capsys):
    """`--json` prints one object for each log."""
    leave(b"one\n")
    assert recover(rings, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "version": 1, "log": str(tmp_path / "app.log"), "recovered": 1, "error": None,
    }  # fmt: skip


def test_what_cannot_be_written_is_kept(leave, rings, tmp_path, capsys):
    """A log that cannot be written is an error, and the lines are there for the next try."""
    leave(b"one\n", destination=tmp_path / "logs" / "app.log")
    (tmp_path / "logs" / "app.log").unlink()
    (tmp_path / "logs" / "app.log").mkdir()
    assert recover(rings) == 1
    assert "cannot be written, and its lines are kept" in capsys.readouterr().err
    (tmp_path / "logs" / "app.log").rmdir()
    assert recover(rings) == 0
    assert (tmp_path / "logs" / "app.log").read_bytes() == b"one\n"


def test_the_figures_of_the_living_and_the_dead(leave, rings, tmp_path, capsys):
    """Who has a log open, what was written and what waits; and what was left behind."""
    log = open_log(tmp_path / "alive.log", {"ring": rings}, frame)
    log.write(b"one\n")
    assert log.drain(SOON)
    leave(b"one\n", b"two\n")
    assert main(["logs", "stats", "--ring", str(rings)]) == 1
    page = capsys.readouterr().out
    assert main(["logs", "stats", "--ring", str(rings), str(tmp_path / "alive.log"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    log.close()
    assert f"{tmp_path / 'alive.log'}\n" in page
    assert page.split(str(os.getpid()))[1].split()[:4] == ["fine", "0", "B", "1"]
    assert "left behind" in page
    assert page.endswith("or: weft logs recover\n")
    (ring,) = found["rings"]
    assert (ring["state"], ring["counters"]["lines"], ring["waiting"], ring["alive"]) == ("fine", 1, 0, True)


def test_no_log_is_no_trouble(rings, capsys):
    """Where nobody logs, the command says so."""
    assert main(["logs", "stats", "--ring", str(rings)]) == 0
    assert capsys.readouterr().out == "no process has a log open\n"
