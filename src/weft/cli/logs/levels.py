"""Levels by name and by number, as they stand in logs of Python and of others."""

__all__ = ["NAMES", "severity"]

NAMES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_NUMBERS = {
    "TRACE": 5,
    "DEBUG": 10,
    "INFO": 20,
    "SUCCESS": 25,
    "NOTICE": 25,
    "WARNING": 30,
    "WARN": 30,
    "ERROR": 40,
    "CRITICAL": 50,
    "FATAL": 50,
}


def severity(level: str) -> int | None:
    """The number of a level that is given by its name, in any case, or as a number; None if it is neither."""
    word = level.strip().upper().removeprefix("LEVEL ")  # "Level 15" is how logging shows one without a name
    return int(word) if word.isdecimal() else _NUMBERS.get(word)
