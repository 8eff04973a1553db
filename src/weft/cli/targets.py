"""What to check: addresses from the command line, from a file or from standard input, one line at a time."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from weft.cli.parsing import UsageError
from weft.http.errors import InvalidURL
from weft.http.url import target

__all__ = [
    "Target",
    "address",
    "count_lines",
    "from_arguments",
    "from_lines",
    "open_lines",
    "refuse_unreadable",
    "standard_input",
]


@dataclass(frozen=True, slots=True)
class Target:
    """One address to check.

    Attributes:
        line: where it was given: the line of the file, or the place on the command line, from 1.
        url: the address, complete; or the text as it was given, if it is none.
        problem: what is wrong with the text, or None.
    """

    line: int
    url: str
    problem: str | None = None


def address(text: str) -> str:
    """Complete an address: `https://` is put before a bare host name.

    Raises:
        InvalidURL: the text is none; the message says what to write instead.
    """
    url = text if "://" in text else f"https://{text}"
    target(url)
    return url


def from_arguments(texts: Iterable[str]) -> list[Target]:
    """The addresses of the command line.

    Raises:
        UsageError: one of them is malformed; nothing has been checked yet.
    """
    return [Target(place, _address_or_usage_error(text)) for place, text in enumerate(texts, 1)]


def from_lines(lines: Iterable[str]) -> Iterator[Target]:
    """The addresses of a file, read as they are needed. A malformed one becomes a target with a problem."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield _target(number, text)


def open_lines(name: str) -> TextIO:
    """Open a file of addresses.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return Path(name).open(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"check: --file {name}: {error.strerror}") from error


def standard_input() -> int:
    """The descriptor of standard input.

    Raises:
        UsageError: it is closed.
    """
    if sys.stdin is None:
        raise UsageError("check: standard input is closed: write weft check - < FILE, or weft check --file FILE")
    return sys.stdin.fileno()


def refuse_unreadable(option: str, name: str) -> None:
    """Try whether a file that an option names can be read.

    Raises:
        UsageError: it cannot.
    """
    try:
        Path(name).open("rb").close()
    except OSError as error:
        raise UsageError(f"check: {option} {name}: {error.strerror}") from error


def count_lines(name: str) -> int | None:
    """How many addresses a file has, for the progress bar; None where it can be read only once."""
    path = Path(name)
    if name == "-" or not path.is_file():
        return None
    with path.open("rb") as file:
        return sum(1 for line in map(bytes.strip, file) if line and not line.startswith(b"#"))


def _target(number: int, text: str) -> Target:
    try:
        return Target(number, address(text))
    except InvalidURL as error:
        return Target(number, text, error.args[0])


def _address_or_usage_error(text: str) -> str:
    try:
        return address(text)
    except InvalidURL as error:
        raise UsageError(f"check: {error.args[0]}") from error
