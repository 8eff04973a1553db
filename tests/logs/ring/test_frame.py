"""A frame is one record whose end can be seen."""

from hypothesis import given
from hypothesis import strategies as st

from weft.logs.ring.frame import frame, records


@given(st.text(st.characters(exclude_categories=())))
def test_a_frame_has_one_newline_at_its_end_and_no_nul(text):
    """Whatever the text holds, surrogates and NULs among it, its frame has one newline, at the end, and no NUL."""
    made = frame(text)
    assert made.count(b"\n") == 1
    assert made.endswith(b"\n")
    assert b"\0" not in made


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_what_is_written_is_the_text(texts):
    """The bytes that are written for frames are the texts as UTF-8, each with a newline behind it."""
    assert records(b"".join(map(frame, texts))) == "".join(text + "\n" for text in texts).encode()


def test_what_utf8_cannot_carry_is_an_escape():
    """A lone surrogate is written as its escape, and so is a NUL."""
    assert frame("a\udc80b\0c") == b"a\\udc80b\\x00c\n"
