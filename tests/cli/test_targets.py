"""Facts about what is read: addresses, files, standard input."""

import itertools

import pytest

from weft.cli.parsing import UsageError
from weft.cli.targets import Target, address, count_lines, from_arguments, from_lines, open_lines


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("example.org", "https://example.org"),
        ("example.org:8443/x", "https://example.org:8443/x"),
        ("localhost:80", "https://localhost:80"),
        ("http://example.org/", "http://example.org/"),
        ("[::1]:8080", "https://[::1]:8080"),
    ],
)
def test_a_bare_host_name_is_completed(text, url):
    """`https://` is assumed where no scheme is given."""
    assert address(text) == url


def test_blank_lines_and_comments_are_skipped():
    """Blank lines and comments are no targets; the others keep the number of their line."""
    lines = ["# sites\n", "\n", "  a.example \n", "  # more\n", "http://b.example/x#part\r\n"]
    assert list(from_lines(lines)) == [Target(3, "https://a.example"), Target(5, "http://b.example/x#part")]


def test_a_malformed_line_is_a_target_with_a_problem():
    """In a file a malformed address is one failed line, and the rest goes on."""
    bad, good = from_lines(["http://a b/\n", "c.example\n"])
    assert (bad.line, bad.url) == (1, "http://a b/")
    assert "percent-encoded" in bad.problem
    assert good.problem is None


def test_a_malformed_argument_is_wrong_usage():
    """On the command line a malformed address stops everything before it starts, and is named."""
    with pytest.raises(UsageError, match="'gopher://x' has no http or https scheme"):
        from_arguments(["a.example", "gopher://x"])


def test_lines_are_read_as_they_are_needed():
    """An endless input is no problem: the first targets are there before the last line is."""
    endless = (f"h{n}.example" for n in itertools.count())
    assert [target.url for target in itertools.islice(from_lines(endless), 2)] == [
        "https://h0.example",
        "https://h1.example",
    ]


def test_lines_are_counted_as_they_are_read(tmp_path):
    """The total of the progress bar is the number of targets that will come out of the file."""
    file = tmp_path / "urls.txt"
    file.write_bytes(b"\xef\xbb\xbfa.example\r\n\n# no\nb.example\n \t \nhttp://a b/\nc.ex\xffample")
    with open_lines(str(file)) as lines:
        targets = list(from_lines(lines))
    assert len(targets) == count_lines(str(file)) == 4
    assert targets[0].url == "https://a.example"


def test_standard_input_has_no_total():
    """What can be read only once is not counted before."""
    assert count_lines("-") is None
    assert count_lines("/dev/null") is None


def test_a_file_that_cannot_be_read_is_wrong_usage(tmp_path):
    """A missing file and a directory are told in one line."""
    with pytest.raises(UsageError, match="No such file"):
        open_lines(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="Is a directory"):
        open_lines(str(tmp_path))
