"""A frame: one record as bytes, in a form in which its end and its absence can be seen.

UTF-8, ending with the only newline in it, without a NUL. Newlines inside the record stand as the byte 0xFF, which
occurs in no UTF-8 text. So in memory that was zero before, what was written ends at the first NUL, and what was written
whole ends at the last newline, even if the process was killed in the middle of copying.
"""

__all__ = ["INNER", "frame", "records"]

INNER = b"\xff"
"""A newline inside a record."""

_NUL = b"\\x00"


def frame(text: str) -> bytes:
    r"""The frame of a record's text, which is without its last newline. Surrogates become escapes, NULs `\x00`."""
    data = text.encode("utf-8", "backslashreplace")
    if b"\n" in data:
        data = data.replace(b"\n", INNER)
    if b"\0" in data:
        data = data.replace(b"\0", _NUL)
    return data + b"\n"


def records(frames: bytes) -> bytes:
    """The bytes to be written for these frames: the newlines inside records are newlines again."""
    return frames.replace(INNER, b"\n") if INNER in frames else frames
