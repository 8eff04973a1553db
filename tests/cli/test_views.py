"""Facts about what is shown while a check runs."""

import io
import re

import pytest
from commandline import dead, fine

from weft.cli.output import Style
from weft.cli.tally import Tally
from weft.cli.views import Lines, Ticker, bar, progress
from weft.clock import install


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    """A clock that the test moves."""
    time = [100.0]
    before = install(lambda: time[0])
    yield time
    install(before)


def tally_of(done, total=None):
    tally = Tally(total=total)
    for n in range(done):
        tally.add(fine(n))
    return tally


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, "." * 24), (0.5, "#" * 12 + "." * 12), (1, "#" * 24), (1.1, "#" * 24)]
)
def test_the_bar_fills_with_the_share(share, drawn):
    """The bar is empty at 0, full at 1, and never longer than that."""
    assert bar(share, unicode=False) == f"[{drawn}]"


def test_progress_with_a_known_end():
    """With a total there is a bar, and an estimate of the time that is left."""
    assert progress(tally_of(50, total=200), 5.0, unicode=False) == (
        f"[{'#' * 6}{'.' * 18}]  50/200  0 not fine  10/s  15.0 s left"
    )


def test_progress_without_a_known_end():
    """From standard input the end is not known: no bar, no estimate, only what was done and for how long."""
    tally = tally_of(50)
    tally.add(dead())
    assert progress(tally, 10.0, unicode=False) == "51 checked  1 not fine  5/s  10.0 s"


def test_progress_at_its_ends():
    """Nothing done gives no estimate; everything done has nothing left."""
    assert progress(tally_of(0, total=10), 0.0, unicode=False) == f"[{'.' * 24}]  0/10  0 not fine  0/s"
    assert "left" not in progress(tally_of(10, total=10), 1.0, unicode=False)


def test_the_ticker_redraws_ten_times_a_second_at_most(clock, monkeypatch):
    """However many results come, the progress line is drawn once in 0.1 s, in place."""
    monkeypatch.setattr("sys.stderr", Terminal())
    import sys

    ticker = Ticker(tally_of(3, total=9), unicode=False)
    for _ in range(30):
        clock[0] += 0.01
        ticker.tick()
    assert 2 <= sys.stderr.getvalue().count("\r") <= 3
    assert "\n" not in sys.stderr.getvalue()


def test_the_ticker_gives_way_to_data(clock, monkeypatch):
    """Where data and progress share a terminal, the progress line is wiped before a line of data is written."""
    shared = Terminal()
    monkeypatch.setattr("sys.stderr", shared)
    monkeypatch.setattr("sys.stdout", shared)
    ticker = Ticker(tally_of(1, total=2), unicode=False)
    with Lines(lambda result: result.target.url, header=None, ticker=ticker) as view:
        for _ in range(2):
            clock[0] += 1
            view.show(fine())
    assert re.fullmatch(
        r"https://example\.org/\n\r\[#.*\x1b\[K\r\x1b\[Khttps://example\.org/\n\r\[#.*\x1b\[K\r\x1b\[K",
        shared.getvalue(),
    )


def test_lines_begin_with_their_header(capsys):
    """CSV's titles come first, even when no result follows; a result that has no line is not shown."""
    with Lines(lambda result: None, header="a,b", ticker=None) as view:
        view.show(fine())
    assert capsys.readouterr().out == "a,b\n"


def test_the_live_table_keeps_failures_and_counts_the_rest(monkeypatch, capsys):
    """Fine results that leave the table are only counted; failures stay on the terminal above it."""
    from weft.cli.live import LiveTable

    monkeypatch.setenv("LINES", "14")
    monkeypatch.setenv("COLUMNS", "100")
    tally = Tally(total=40)
    with LiveTable(tally, Style(color=False), unicode=True) as view:
        for n in range(40):
            result = dead(n, f"https://dead{n}.example/") if n < 3 else fine(n, f"https://h{n}.example/")
            tally.add(result)
            view.show(result)
    shown = capsys.readouterr().out
    assert all(f"dead{n}.example" in shown for n in range(3))
    assert "h39.example" in shown
    assert "h10.example" not in shown
