"""`weft worker` and `weft jobs`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from weft.cli.main import main
from weft.jobs import stores

CHORES = str(Path(__file__).parents[1] / "jobs")
DECLARED = """
import os, time
from pathlib import Path
import weft

app = object()

@weft.job
def greet(name: str) -> str:
    return f"hello {name}"

@weft.job(queue="other", retries=0)
def fail() -> None:
    raise LookupError("no \\x1b[31msuch thing")

@weft.job(retries=0)
def hang(started: str) -> None:
    Path(started).write_text("up")
    time.sleep(60)
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A module that declares jobs, where the command line stands, and a store for it."""
    (tmp_path / "shop.py").write_text(DECLARED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_JOBS", "sqlite:jobs.db")
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("shop", None)
    from weft.jobs import declaring

    monkeypatch.setattr(declaring, "_known", {})
    import shop

    yield shop
    if stores._store is not None:
        stores._store.close()
        stores._store = None
    sys.modules.pop("shop", None)


def weft(*words, **options):
    command = [sys.executable, "-m", "weft.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def printed(capsys, *words, status=0):
    assert main(list(words)) == status
    return capsys.readouterr()


def test_a_worker_does_what_there_is_and_ends(shop):
    """`--until-empty` runs the jobs of all declared queues, logs what went wrong, and ends with status 0."""
    hello, failing = shop.greet.enqueue("Ada"), shop.fail.enqueue()
    done = weft("worker", "shop:app", "--until-empty")
    assert done.returncode == 0, done.stderr
    assert "weft worker: default=10, other=10 from" in done.stderr
    assert "(shop.fail) has to give up: LookupError" in done.stderr
    assert hello.result(0) == "hello Ada"
    assert str(failing.status()) == "discarded"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_jobs_go_back(shop, tmp_path, number):
    """The job under way has its grace, then it is as if it had never been taken."""
    handle = shop.hang.enqueue(str(tmp_path / "started"))
    command = [sys.executable, "-m", "weft.cli", "worker", "shop", "--queues", "default=2", "--grace", "0.1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline().startswith("weft worker: default=2 from")
        while not (tmp_path / "started").exists():
            assert process.poll() is None
        os.kill(process.pid, number)
        assert process.wait(20) == 0
    assert (str(handle.status()), handle.record().attempt) == ("available", 0)


def test_a_worker_starts_again_when_a_file_changes(shop, tmp_path):
    """`--reload`: the jobs after a change are run by the new code, and Ctrl-C ends both processes."""
    command = [sys.executable, "-m", "weft.cli", "worker", "shop", "--reload"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline().startswith("weft worker: default=10, other=10 from")
        assert shop.greet.enqueue("a").result(20) == "hello a"
        Path("shop.py").write_text(DECLARED.replace("hello", "welcome"))
        assert process.stderr.readline() == "weft worker: shop.py changed, starting again\n"
        while not process.stderr.readline().startswith("weft worker: default=10"):
            pass
        assert shop.greet.enqueue("b").result(20) == "welcome b"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["worker", "nowhere"], "weft: worker: there is no module 'nowhere' here"),
        (["worker", "shop:nothing"], "weft: worker: shop has no 'nothing'"),
        (["worker", "shop", "--queues", "x=0"], "weft: worker: 'x=0' is no queue: write images=2,mail=10"),
        (["worker", "shop", "--store", "mysql:x"], "weft: 'mysql:x' names no job store: write sqlite:jobs.db"),
        (["worker", "json"], "weft: worker: json declares no job: write @weft.job"),
        (["jobs"], "weft: jobs: nothing to do: write weft jobs list"),
        (["jobs", "lst"], "weft: jobs: there is no command 'lst': did you mean 'weft jobs list'?"),
        (["jobs", "list", "--state", "dead"], "weft: jobs: 'dead' is no state: choose from scheduled, available"),
        (["jobs", "retry"], "weft: jobs retry: name jobs by their ids, or write --discarded"),
    ],
)
def test_mistakes_are_told_in_one_line(shop, capsys, monkeypatch, words, said):
    """Wrong usage exits with 2."""
    from weft.jobs import declaring

    if words[1:] == ["json"]:
        monkeypatch.setattr(declaring, "_known", {})
    assert printed(capsys, *words, status=2).err.startswith(said)


def test_jobs_are_listed_and_shown(shop, capsys):
    """As a table, as JSON, as ids; what a job says of itself cannot steer the terminal."""
    first, second = shop.greet.enqueue("Ada"), shop.fail.enqueue()
    assert weft("worker", "shop", "--until-empty").returncode == 0
    table = printed(capsys, "jobs", "list").out.splitlines()
    assert table[0].split() == ["id", "state", "queue", "task", "attempt", "age"]
    assert table[1].split()[:4] == [second.uid, "discarded", "other", "shop.fail"]
    assert "LookupError" in table[1]
    assert "\x1b" not in table[1]
    assert table[2].split()[:4] == [first.uid, "completed", "default", "shop.greet"]
    lines = printed(capsys, "jobs", "list", "--json", "--queue", "default").out.splitlines()
    assert [json.loads(line)["result"] for line in lines] == ['"hello Ada"']
    assert printed(capsys, "jobs", "list", "--ids", "--state", "discarded").out.split() == [second.uid]
    assert printed(capsys, "jobs", "list", "--task", "nobody").out == "no job fits\n"
    shown = printed(capsys, "jobs", "show", second.uid).out
    assert "state             discarded" in shown
    assert "\x1b" not in shown
    assert json.loads(printed(capsys, "jobs", "show", second.uid, "--json").out)["attempt"] == 1
    assert "there is no job 'x'" in printed(capsys, "jobs", "show", "x", status=1).err


def test_jobs_are_changed_by_their_ids(shop, capsys):
    """Cancel, retry, prune: each says what it has done, and what it could not."""
    one, two = shop.greet.enqueue("Ada"), shop.greet.enqueue("Bob")
    assert f"{one.uid}: cancelled" in printed(capsys, "jobs", "cancel", one.uid).err
    assert "a cancelled job cannot cancel" in printed(capsys, "jobs", "cancel", one.uid, two.uid, status=1).err
    assert "there is no job 'x'" in printed(capsys, "jobs", "retry", "x", status=1).err
    assert "will run again" in printed(capsys, "jobs", "retry", one.uid, two.uid).err
    shop.fail.enqueue()
    assert weft("worker", "shop", "--until-empty").returncode == 0
    assert "will run again" in printed(capsys, "jobs", "retry", "--discarded").err
    assert printed(capsys, "jobs", "prune").err == "weft jobs: 0 jobs forgotten\n"
    assert printed(capsys, "jobs", "prune", "--all").err == "weft jobs: 2 jobs forgotten\n"


def test_stats_count_by_queue_and_state(shop, capsys):
    """A row for each queue; the same as JSON; an empty store says so."""
    assert printed(capsys, "jobs", "stats").out == "the store is empty\n"
    shop.greet.enqueue("Ada")
    head, row = printed(capsys, "jobs", "stats").out.splitlines()
    assert head.split()[:3] == ["queue", "scheduled", "available"]
    assert row.split()[:3] == ["default", "0", "1"]
    assert json.loads(printed(capsys, "jobs", "stats", "--json").out) == {"default": {"available": 1}}
