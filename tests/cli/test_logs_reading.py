"""Facts about reading a log from its end, and as it comes."""

import io
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from weft.cli.logs import reading
from weft.cli.logs.reading import Splitter, backwards, end_of_lines, forwards, text_of

contents = st.lists(st.sampled_from([b"\n", b"a", b"bcd", b"\r\n", b"\xff", b"longer than a block"])).map(b"".join)


class Counting(io.BytesIO):
    total = 0

    def read(self, size=-1):
        data = super().read(size)
        self.total += len(data)
        return data


def expected(content):
    return content.removesuffix(b"\n").split(b"\n") if content else []


@given(contents)
def test_backwards(content):
    """Backwards, a file gives the lines that it has, the last one first, wherever the blocks are cut."""
    with mock.patch.object(reading, "BLOCK", 4):
        assert list(backwards(io.BytesIO(content), len(content)))[::-1] == expected(content)


@given(contents)
def test_forwards(content):
    """Forwards, a source gives the same lines."""
    with mock.patch.object(reading, "BLOCK", 4):
        assert [line for lines in forwards(io.BytesIO(content)) for line in lines] == expected(content)


@given(contents)
def test_the_end_of_the_last_whole_line(content):
    """What is behind the last newline is not finished yet."""
    with mock.patch.object(reading, "BLOCK", 4):
        assert end_of_lines(io.BytesIO(content), len(content)) == content.rfind(b"\n") + 1


def test_the_end_is_read_alone():
    """To give the last 20 lines of a large file, no more than the last blocks are read."""
    file = Counting(b"a line of a log\n" * 1_000_000)
    lines = backwards(file, len(file.getvalue()))
    assert [next(lines) for _ in range(20)] == [b"a line of a log"] * 20
    assert file.total <= 2 * reading.BLOCK


def test_a_file_without_lines_is_taken_in_pieces():
    """What has no newline for very long is cut: memory stays bounded."""
    content = b"x" * 100
    with mock.patch.object(reading, "BLOCK", 4), mock.patch.object(reading, "_LONGEST", 16):
        back = list(backwards(io.BytesIO(content), len(content)))
        forth = [line for lines in forwards(io.BytesIO(content)) for line in lines]
    for pieces in (back, forth):
        assert b"".join(pieces) == content
        assert max(map(len, pieces)) <= 20


def test_holes_are_passed_over():
    """The zeros that stand where a file was cut under its writer are no part of a line."""
    splitter = Splitter()
    assert splitter.lines(b"\0" * 10) == []
    assert splitter.lines(b"\0\0after\n") == [b"after"]
    assert list(backwards(io.BytesIO(b"\0\0\0after\n"), 9)) == [b"after"]


def test_any_bytes_are_text():
    """Carriage returns before the newline are dropped, and what is not UTF-8 is replaced."""
    assert text_of(b"f\xc3\xbcr\r") == "für"
    assert text_of(b"\xff\xfe") == "\N{REPLACEMENT CHARACTER}" * 2
