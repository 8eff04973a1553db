"""Facts about `weft check` on a terminal, seen through a pseudo-terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

from commandline import command, environment

COLOR = re.compile(r"\x1b\[[0-9;]*m")
RICH_IS_NOT_INSTALLED = "import sys; sys.modules['rich'] = None; from weft.cli.main import main; sys.exit(main())"


def on_terminal(words, rows=30, columns=100, **settings):
    """Run a command on a terminal of that size; give back its status and all that it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    running = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(TERM="xterm-256color", **settings)
    )
    os.close(theirs)
    written = bytearray()
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:
        pass  # Linux says EIO where others say end of file
    finally:
        os.close(ours)
    return running.wait(30), written.decode()


def test_the_table_lives(site):
    """On a terminal there is a table with titles and colours, a bar of progress, the summary and the waterfall."""
    status, written = on_terminal(command("check", f"{site.url}/ok", f"{site.url}/missing"))
    plain = COLOR.sub("", written)
    assert status == 1
    assert COLOR.search(written)
    assert re.search(r"time +size +http +site", plain)
    assert "─" * 24 + "  0/2  0 not fine" in plain
    assert f"{site.url}/missing  Not Found" in plain
    assert "2 sites in" in plain
    assert "slowest 2" in plain
    assert "Traceback" not in plain


def test_the_cursor_comes_back(site):
    """Whatever the table hides of the terminal it shows again."""
    _, written = on_terminal(command("check", f"{site.url}/ok"))
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l") >= 0


def test_no_color_is_obeyed(site):
    """With NO_COLOR, and with --no-color, nothing is coloured."""
    _, by_environment = on_terminal(command("check", f"{site.url}/ok"), NO_COLOR="1")
    _, by_option = on_terminal(command("check", "--no-color", f"{site.url}/ok"))
    for written in (by_environment, by_option):
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", written)


def test_rows_do_not_wrap(site):
    """On a narrow terminal long rows are cut, so that the table can be redrawn in place."""
    _, written = on_terminal(command("check", f"{site.url}/ok/{'long/' * 40}"), columns=60)
    table = COLOR.sub("", written).split("1 site in")[0]
    assert "…" in table
    assert max(map(len, re.split(r"[\r\n]+", re.sub(r"\x1b\[[?0-9]*[A-Za-z]", "", table)))) <= 60


def test_without_rich_lines_are_plain(site):
    """Where rich is not installed results come line by line on the same terminal, with the summary."""
    words = [sys.executable, "-c", RICH_IS_NOT_INSTALLED, "check", f"{site.url}/ok"]
    status, written = on_terminal(words)
    assert status == 0
    assert f"{site.url}/ok\r\n" in written
    assert "1 site in" in COLOR.sub("", written)
    assert "\x1b[?25l" not in written


def test_json_on_a_terminal_is_json(site):
    """--json is the same on a terminal: no table, and no progress within the lines."""
    _, written = on_terminal(command("check", "--json", f"{site.url}/ok"))
    assert written.startswith('{"type": "result"')
