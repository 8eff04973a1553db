"""Facts about an input that is long in coming: a pipe into `weft check -`."""

import asyncio
import os
import signal
import subprocess
import threading
from contextlib import contextmanager

import pytest
from commandline import command, environment, options, weft

from weft.cli.arriving import Arriving, lines_of
from weft.cli.checking import pump
from weft.cli.parsing import UsageError
from weft.cli.results import Reading
from weft.cli.tally import Tally


class Shown:
    def __init__(self):
        self.results = []
        self.some = threading.Event()

    def show(self, result):
        self.results.append(result)
        self.some.set()


async def answer(target):
    return Reading(200, "1.1", 0)


async def hang(target):
    await asyncio.Event().wait()


def run(lines, check=answer, view=None, **changed):
    tally = Tally()
    pump(check, Arriving(lines), tally, view or Shown(), options(**changed))
    return tally


def test_a_result_does_not_wait_for_the_next_line():
    """A result is shown when it is there, while the next line is still awaited."""
    view = Shown()

    def lines():
        yield "a.example\n"
        assert view.some.wait(10)
        yield "b.example\n"

    assert run(lines(), view=view).checked == 2


def test_the_deadline_does_not_wait_for_the_next_line():
    """At the deadline the run ends, although the input has neither a line nor an end; what is under way is late."""
    end = threading.Event()

    def lines():
        yield "a.example\n"
        end.wait(10)

    tally = run(lines(), check=hang, deadline=0.05)
    assert (tally.stopped, tally.summary.outcomes) == ("deadline", {"timed_out": 1})
    end.set()


def test_a_silent_input_ends_at_the_deadline():
    """The same holds where not one line has come."""
    end = threading.Event()

    def lines():
        end.wait(10)
        yield "a.example\n"

    assert run(lines(), deadline=0.05).stopped == "deadline"
    end.set()


def test_no_more_than_the_limit_are_under_way_and_read():
    """--limit bounds the checks under way, and no line is read that could not be checked next."""
    read, now, most = 0, 0, []

    def lines():
        nonlocal read
        for read in range(1, 501):
            yield f"h{read}.example\n"

    async def check(target):
        nonlocal now
        now += 1
        await asyncio.sleep(0)
        most.append((now, read - target.line))
        now -= 1
        return Reading(200, "1.1", 0)

    assert run(lines(), check=check, limit=7).checked == 500
    assert max(busy for busy, _ in most) <= 7
    assert max(ahead for _, ahead in most) <= 7


def test_each_line_has_one_result_with_its_outcome():
    """Malformed lines, failures, retries and timeouts come out as they do for a file."""
    tries = []

    async def check(target):
        if target.problem is not None:
            raise ValueError(target.problem)
        if "flaky" in target.url:
            tries.append(target)
            if len(tries) == 1:
                raise ConnectionError
        return Reading(404 if "missing" in target.url else 200, "1.1", 0)

    view = Shown()
    run(iter(["ok.example\n", "ftp://x\n", "missing.example\n", "# no\n", "flaky.example"]), check, view, retries=1)
    assert sorted((result.target.line, result.outcome, result.attempts) for result in view.results) == [
        (1, "ok", 1), (2, "invalid", 0), (3, "http_error", 1), (5, "ok", 2),
    ]  # fmt: skip


def test_an_input_that_breaks_is_wrong_usage():
    """An input that cannot be read is told in one line, and ends the run."""

    def lines():
        yield "a.example\n"
        raise OSError(5, "Input/output error")

    with pytest.raises(UsageError, match="standard input: Input/output error"):
        run(lines(), check=hang)


@contextmanager
def piped(*pieces):
    ours, theirs = os.pipe()
    try:
        for piece in pieces:
            os.write(theirs, piece)
        os.close(theirs)
        yield ours
    finally:
        os.close(ours)


def test_lines_are_decoded_as_those_of_a_file():
    """A byte order mark is skipped, a wrong byte is replaced, and the last line needs no end."""
    with piped(b"\xef\xbb\xbfa.exa", b"mple\r\nb.\xff\n\xe2", b"\x82\xac") as ours:
        assert list(lines_of(ours)) == ["a.example\r", "b.\ufffd", "\u20ac"]


@contextmanager
def listening(*more):
    running = subprocess.Popen(
        command("check", "-", *more), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, bufsize=1, env=environment(),
    )  # fmt: skip
    with running:
        try:
            yield running
        finally:
            running.kill()


def test_a_slow_pipe_is_answered_line_by_line(site):
    """`tail -f urls | weft check -` shows each result when it is there."""
    with listening() as running:
        for path in ("/ok1", "/missing", "/ok2"):
            running.stdin.write(f"{site.url}{path}\n")
            assert f"{site.url}{path}" in running.stdout.readline()
        running.stdin.close()
        assert running.wait(30) == 1


def test_ctrl_c_ends_the_wait_for_a_line(site):
    """Ctrl-C ends a check that has nothing to do but wait for its input: the summary is told, the status is 130."""
    with listening() as running:
        running.stdin.write(f"{site.url}/ok\n")
        assert running.stdout.readline()
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
        assert running.wait(30) == 130
    assert "interrupted" in said
    assert "Traceback" not in said


def test_a_closed_standard_input_is_wrong_usage():
    """`weft check - <&-` says that there is nothing to read, and what to write instead."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command("check", "-")],
        capture_output=True, text=True, env=environment(), timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, "weft check --file FILE" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


def test_a_file_as_standard_input_is_read_like_any_file(site, tmp_path):
    """`weft check - < urls.txt` checks what the file says."""
    file = tmp_path / "urls.txt"
    file.write_text(f"{site.url}/ok\n\n{site.url}/missing\n")
    with file.open() as lines:
        done = subprocess.run(
            command("check", "-", "--csv"), stdin=lines, capture_output=True, text=True, env=environment(), timeout=60,
            check=False,
        )  # fmt: skip
    assert sorted(line.split(",")[0] for line in done.stdout.splitlines()) == ["1", "3", "line"]


def test_an_empty_input_is_fine():
    """Nothing to check is nothing that is wrong."""
    assert weft("check", "-", feed="").returncode == 0
