"""The one place where the command line meets the terminal: data goes to standard output, all else to standard error."""

import os
import sys
from collections.abc import Mapping
from typing import TextIO

__all__ = [
    "Style",
    "abandon_stdout",
    "printable",
    "say",
    "speaks_unicode",
    "wants_color",
    "write",
    "write_lines_at_once",
]

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


class Style:
    """Puts text in colour, or leaves it as it is where colour is not wanted."""

    def __init__(self, *, color: bool) -> None:
        self.color = color

    def __call__(self, text: str, *names: str) -> str:
        """The text in the named styles: "bold", "dim", "red", "green", "yellow", "blue", "magenta", "cyan"."""
        if not self.color or not text or not names:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"


def write(line: str) -> None:
    """Write one line of data to standard output.

    Raises:
        BrokenPipeError: nobody reads it any more.
    """
    sys.stdout.write(line + "\n")


def say(text: str) -> None:
    """Tell the person at the terminal, on standard error."""
    sys.stdout.flush()  # where both are one terminal, the data comes first
    sys.stderr.write(text if text.endswith("\n") else text + "\n")
    sys.stderr.flush()


def write_lines_at_once() -> None:
    """Let each line reach a pipe as it is written, and no odd character end the run."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # a test's stand-in may have none
    if reconfigure is not None:
        reconfigure(line_buffering=True, errors="backslashreplace")


def abandon_stdout() -> None:
    """After a broken pipe: send what is left nowhere, so that the interpreter's exit does not trip over it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def wants_color(stream: TextIO, *, no_color: bool, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to colour what goes to the stream: a terminal, unless told otherwise, also by NO_COLOR (no-color.org)."""
    return not no_color and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and stream.isatty()


def speaks_unicode(stream: TextIO) -> bool:
    """Whether the stream can carry bars and ticks."""
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def printable(text: str) -> str:
    """The text without control characters: what a server or a file says must not steer the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
