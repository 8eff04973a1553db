"""Facts about `weft logs tail` as a command."""

import gzip
import json
import os
import signal
import subprocess
import sys
from argparse import Namespace

import pytest
from commandline import command, environment, weft

from weft.cli.logs.tailing import tail
from weft.cli.main import main
from weft.cli.parsing import UsageError


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A log of 30 lines in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "app.log"
    path.write_text("".join(f'{{"level": "INFO", "logger": "app", "message": "m{n}"}}\n' for n in range(30)))
    return path


def told(capsys):
    return capsys.readouterr().out.splitlines()


def following(*files, **changed):
    defaults = {"lines": 1, "follow": True, "level": None, "logger": None, "grep": "", "json": False}
    return Namespace(files=files, no_color=True, **defaults | changed)


def interrupted_after(*steps):
    """A wait that takes one step each time, and is interrupted when there are none left."""
    left = list(steps)

    def wait():
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()

    return wait


def test_the_last_lines(log, capsys):
    """The last 20 lines are shown, or as many as are asked for; none is an answer, too."""
    assert main(["logs", "tail", "app.log"]) == 0
    assert told(capsys) == [f"INFO     app m{number}" for number in range(10, 30)]
    assert main(["logs", "tail", "-n", "2", "app.log"]) == 0
    assert told(capsys) == ["INFO     app m28", "INFO     app m29"]
    assert main(["logs", "tail", "-n", "0", "app.log"]) == 0
    assert told(capsys) == []


def test_a_last_line_without_an_end_is_shown(log, capsys):
    """What stands behind the last newline is shown, too."""
    log.write_text("one\n\ntwo")
    assert main(["logs", "tail", "app.log"]) == 0
    assert told(capsys) == ["one", "", "two"]


def test_the_last_lines_that_are_wanted(log, capsys):
    """-n counts the lines that are wanted, wherever they are."""
    with log.open("a") as file:
        file.write("ERROR:app.db:broken\n" + "INFO:app:fine\n" * 50)
    assert main(["logs", "tail", "-n", "1", "--level", "error", "--logger", "app", "--grep", "broken", "app.log"]) == 0
    assert told(capsys) == ["ERROR:app.db:broken"]


def test_json_is_passed_through(log, capsys):
    """--json gives each JSON line as it stands, and other text as an object: every line can be parsed."""
    with log.open("a") as file:
        file.write('ERROR:app:failed\nTraceback (most recent call last):\n  File "x"\nE: no\n')
    assert main(["logs", "tail", "-n", "2", "--json", "app.log"]) == 0
    first, second = told(capsys)
    assert first == '{"level": "INFO", "logger": "app", "message": "m29"}'
    assert json.loads(second)["message"].splitlines()[-1] == "E: no"


def test_several_logs(log, capsys):
    """Each line stands behind the name of its file; JSON stays JSON."""
    log.with_name("b.log").write_text('{"message": "a\\nb"}\n')
    assert main(["logs", "tail", "-n", "1", "app.log", "b.log"]) == 0
    assert told(capsys) == ["app.log: INFO     app m29", "b.log: a", "b.log:   b"]
    assert main(["logs", "tail", "-n", "1", "--json", "app.log", "b.log"]) == 0
    assert [json.loads(line)["message"] for line in told(capsys)] == ["m29", "a\nb"]


@pytest.mark.parametrize("name", ["app.log.1.gz", "whatever"])
def test_compressed_logs(log, capsys, name):
    """What gzip has compressed is unpacked, whatever it is called."""
    log.with_name(name).write_bytes(gzip.compress(log.read_bytes()))
    assert main(["logs", "tail", "-n", "1", name]) == 0
    assert told(capsys) == ["INFO     app m29"]


@pytest.mark.parametrize("content", [b"\x1f\x8b", gzip.compress(b"x\n" * 9)[:-3], gzip.compress(b"x\n" * 9)[:-9] * 2])
def test_damaged_compressed_logs(log, capsys, content):
    """A compressed file that is cut or broken is a mistake of one line, not a traceback."""
    log.write_bytes(content)
    assert main(["logs", "tail", "app.log"]) == 2
    assert capsys.readouterr().err == "weft: logs tail: app.log is damaged: see what gzip -cd makes of it\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "logs: nothing to do: write weft logs tail FILE"),
        (["tial", "app.log"], "logs: there is no command 'tial': did you mean 'weft logs tail'?"),
        (["app.log"], "logs: there is no command 'app.log': did you mean 'weft logs tail'?"),
        (["tail"], "logs tail: no log to show: write weft logs tail FILE, or weft logs tail - < FILE"),
        (["tail", "-", "app.log"], "logs tail: - reads standard input: give no other log beside it"),
        (["tail", "ap.log"], "logs tail: ap.log: No such file or directory: did you mean app.log?"),
        (["tail", "no/q.log"], "logs tail: no/q.log: No such file or directory: write -f to wait for it"),
        (["tail", "."], "logs tail: . is a folder: name a file in it"),
        (["tail", "app.log/x"], "logs tail: app.log/x: Not a directory"),
        (["tail", "-f", "."], "logs tail: . is a folder: name a file in it"),
        (["tail", "-f", os.devnull], "logs tail: /dev/null is no ordinary file: write weft logs tail -f - < /dev/null"),
        (["tail", "-f", "old.gz"], "logs tail: old.gz is compressed and does not grow: leave -f away"),
        (["tail", "--folow", "app.log"], "logs tail: unrecognized arguments: --folow; did you mean --follow?"),
        (["tail", "-n", "-1", "app.log"], "logs tail: -n/--lines: "),
        (["tail", "--level", "LOUD", "app.log"], "logs tail: --level: 'LOUD' is no level: write DEBUG, INFO, WARNING,"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_write(log, words, said, capsys):
    """Wrong usage exits with 2 and one line on standard error, and shows nothing."""
    log.with_name("old.gz").write_bytes(gzip.compress(b"x\n"))
    status = main(["logs", *words])
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert printed.err.startswith(f"weft: {said}")
    assert printed.err.count("\n") == 1


def test_following(log, capsys):
    """-f shows the last lines and then those that come, across a rotation, chosen as the others are."""

    def grow():
        with log.open("a") as file:
            file.write("INFO:app:no\nWARNING:app:yes\n")

    def rotate():
        log.rename("app.log.1")
        log.write_text("INFO:app:no\nERROR:app:yes\n  indented\n")

    with pytest.raises(KeyboardInterrupt):
        tail(following("app.log", level=30), interrupted_after(grow, rotate))
    assert told(capsys) == ["WARNING:app:yes", "ERROR:app:yes", "  indented"]


def test_what_belongs_to_a_record_comes_with_it(log, capsys):
    """A traceback that comes later than its record is shown if the record was, and not if it was not."""
    lines = ["INFO:app:no", "  of the first", "ERROR:app:yes", "  of the second", "plain"]

    def grow():
        with log.open("a") as file:
            file.write(lines.pop(0) + "\n")

    with pytest.raises(KeyboardInterrupt):
        tail(following("app.log", level=30), interrupted_after(*[grow] * 5))
    assert told(capsys) == ["ERROR:app:yes", "  of the second"]


def test_half_a_line_is_not_shown_twice(log, capsys):
    """A last line that is being written when following begins is shown once, when it is whole."""
    log.write_text("whole\nhal")

    def grow():
        with log.open("a") as file:
            file.write("f\n")

    with pytest.raises(KeyboardInterrupt):
        tail(following("app.log", lines=5), interrupted_after(grow))
    assert told(capsys) == ["whole", "half"]


def test_following_what_is_not_there_yet(log, capsys):
    """-f waits for a log that does not exist yet, and says so."""
    with pytest.raises(KeyboardInterrupt):
        tail(following("b.log", "app.log"), interrupted_after(lambda: log.with_name("b.log").write_text("first\n")))
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["app.log: INFO     app m29", "b.log: first"]
    assert printed.err == "weft: b.log is not there yet: waiting for it\n"


def test_a_mistake_in_one_of_several_lets_go_of_the_others(log, tmp_path):
    """Where the second of two logs cannot be followed, the first is closed again."""
    with pytest.raises(UsageError):
        tail(following("app.log", str(tmp_path)), interrupted_after())


def test_standard_input(log):
    """- reads standard input to its end, and shows the last lines of it."""
    assert weft("logs", "tail", "-n", "2", "-", feed="one\ntwo\nthree").stdout == "two\nthree\n"


def test_options_end_where_they_are_told_to(log):
    """After -- a name may begin with a dash."""
    log.rename("-f")
    assert weft("logs", "tail", "-n", "1", "--", "-f").stdout == "INFO     app m29\n"


def test_a_pipe_is_not_read_backwards(log):
    """What cannot be read from its end is read from its beginning."""
    done = subprocess.run(
        command("logs", "tail", "-n", "1", "/dev/stdin"), input=b"one\ntwo\n", capture_output=True,
        env=environment(), check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (b"two\n", b"")


def test_standard_input_is_shown_as_it_comes():
    """-f - shows each line at once; Ctrl-C ends it without a word, with status 130."""
    running = subprocess.Popen(
        command("logs", "tail", "-f", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(),
    )  # fmt: skip
    with running:
        for line in (b"one\n", b"two\n"):
            running.stdin.write(line)
            running.stdin.flush()
            assert running.stdout.readline() == line
        running.send_signal(signal.SIGINT)
        assert running.stderr.read() == b""
        assert running.wait(30) == 130


def test_a_file_is_followed_until_ctrl_c(log):
    """The command itself follows a file, and Ctrl-C ends it without a word, with status 130."""
    running = subprocess.Popen(
        command("logs", "tail", "-f", "-n", "1", "app.log"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(),
    )  # fmt: skip
    with running:
        assert running.stdout.readline() == b"INFO     app m29\n"
        with log.open("a") as file:
            file.write("new\n")
        assert running.stdout.readline() == b"new\n"
        running.send_signal(signal.SIGINT)
        assert running.stderr.read() == b""
        assert running.wait(30) == 130


def test_a_closed_pipe_ends_quietly(log):
    """When nobody reads what is shown, the command ends without a word (status 141, as for SIGPIPE)."""
    running = subprocess.Popen(
        command("logs", "tail", "-f", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(),
    )  # fmt: skip
    running.stdout.close()
    with running.stdin as feed:
        feed.write(b"one\n")
    with running.stderr as said:
        assert said.read() == b""
    assert running.wait(30) == 141


def test_it_loads_little(log):
    """The command loads no HTTP engine, no client and no server of logs, and its help not even JSON."""
    program = (
        "import sys\nfrom weft.cli.main import main\nsys.stdout = sys.stderr\n"
        "try:\n    main(['logs', 'tail', *sys.argv[1:]])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'rich', 'pycurl', 'weft.http', 'uvloop', 'json', 'mmap'} & set(sys.modules)))"
    )
    for words, loaded in ((["-n", "1", "app.log"], "['json']"), (["--help"], "[]")):
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
        assert done.stderr.splitlines()[-1] == loaded
