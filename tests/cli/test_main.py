"""Facts about the command as a whole: help, versions, mistakes and what a start costs."""

import subprocess
import sys

import pytest
from commandline import command, environment, weft

from weft import __version__
from weft.cli.main import COMMANDS, main


def test_help_leads_with_examples():
    """`weft --help` shows examples before the commands, names every command, and is data on standard output."""
    done = weft("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.index("for example:") < done.stdout.index("commands:") < done.stdout.index("options:")
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


def test_without_words_the_help_is_a_complaint():
    """`weft` alone shows the help on standard error and exits with 2: an empty variable in a script is a mistake."""
    done = weft()
    assert (done.returncode, done.stdout) == (2, "")
    assert "for example:" in done.stderr


def test_version():
    """`weft --version` prints the version alone."""
    assert weft("--version").stdout == f"weft {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chekc"], "weft: there is no command 'chekc': did you mean 'weft check'?\n"),
        (["quux"], "weft: there is no command 'quux': choose from check, convert, doctor, worker, jobs, logs, demo\n"),
        (["example.org"], "weft: there is no command 'example.org': to check a site, write weft check example.org\n"),
        (["check", "--limt", "3", "a.example"], "weft: check: unrecognized arguments: --limt; did you mean --limit?\n"),
        (["doctor", "--xyz"], "weft: doctor: unrecognized arguments: --xyz; see 'weft doctor --help'\n"),
        (["check", "--limit", "0", "a.example"], "weft: check: -n/--limit: '0' is not a whole number of 1 or more;"),
        (["check", "--timeout", "nan", "a.example"], "weft: check: -t/--timeout: 'nan' is not a number of seconds"),
        (["check", "--max-body", "1X", "a.example"], "weft: check: --max-body: '1X' is not a size above 0, like 500k"),
        (["check"], "weft: check: nothing to check: write weft check URL"),
        (["check", "a.example", "--file", "x"], "weft: check: give the addresses on the command line or by --file"),
        (["check", "-", "a.example"], "weft: check: - reads all addresses from standard input"),
        (["check", "--file", "/no/such/file"], "weft: check: --file /no/such/file: No such file or directory"),
        (["check", "ftp://a.example"], "weft: check: 'ftp://a.example' has no http or https scheme: write https://"),
        (["check", "http://a b/"], "weft: check: 'http://a b/' holds ' ' at 8: write it percent-encoded"),
        (["check", "--ca-file", "/no/such.pem", "a.example"], "weft: check: --ca-file /no/such.pem: No such file"),
        (["check", "--limit", "900000000", "a.example"], "weft: check: --limit 900000000 needs 900000064 open files"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_says_what_to_write(words, said, capsys):
    """Wrong usage exits with 2 and one line on standard error, never a traceback, and prints no data."""
    status = main(words)
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert printed.err.startswith(said)
    assert printed.err.count("\n") == 1


def test_each_command_has_help_of_its_own():
    """`weft check --help`, `weft doctor --help` and the like lead with examples and name the exit status."""
    for words in (["check"], ["doctor"], ["logs", "tail"]):
        done = weft(*words, "--help")
        assert done.returncode == 0
        assert done.stdout.index("for example:") < done.stdout.index("options:")
        assert "exit status:" in done.stdout


def test_a_missing_library_is_named_with_the_extra_that_brings_it(tmp_path):
    """A command whose library is not installed says which one, and what to install."""
    (tmp_path / "rigged.py").write_text(
        "import sys\nfrom weft.cli import main\n"
        "main.COMMANDS['demo'] = main.Command('needy', 'x', 'demo')\nsys.exit(main.main(['demo']))\n"
    )
    (tmp_path / "needy.py").write_text("import a_library_nobody_has\n")
    done = subprocess.run(
        [sys.executable, tmp_path / "rigged.py"], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        "weft: 'weft demo' needs 'a_library_nobody_has', which is not installed: run pip install 'weft[demo]'\n"
    )


@pytest.mark.parametrize("words", [["--help"], ["check", "--help"], ["doctor", "--help"], ["check"]])
def test_help_and_mistakes_load_nothing_heavy(words):
    """Help and mistakes import neither rich nor an HTTP engine: they come at once."""
    program = (
        "import sys\nfrom weft.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'rich', 'pycurl', 'weft.http', 'uvloop', 'difflib'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "[]"


def test_a_closed_pipe_ends_quietly():
    """When nobody reads the help any more, the command ends without a word (status 141, as for SIGPIPE)."""
    running = subprocess.Popen(
        command("--help"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE, env=environment()
    )
    running.stdout.close()
    running.stdin.close()
    assert running.stderr.read() == b""
    running.stderr.close()
    assert running.wait(30) == 141
