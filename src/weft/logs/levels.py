"""Which lines are wanted: levels by their names, from the code or from the environment. Pure."""

from collections.abc import Mapping
from logging import getLevelNamesMapping
from typing import NamedTuple, TypeAlias

from weft.errors import InvalidValue

__all__ = ["VARIABLE", "Level", "Levels", "level_named", "levels_from"]

VARIABLE = "WEFT_LOG_LEVEL"

Level: TypeAlias = int | str
"""A level's number, or its name in any case."""


class Levels(NamedTuple):
    """What the environment asks for.

    Attributes:
        root: the level of whatever is not named; None: nothing is said of it.
        loggers: the levels of loggers by their names.
    """

    root: Level | None
    loggers: Mapping[str, Level]


def level_named(level: Level) -> Level:
    """The level, its name in capitals.

    Raises:
        InvalidValue: there is no level of that name.
    """
    if isinstance(level, int):
        return level
    name = level.strip().upper()
    if name not in getLevelNamesMapping():
        raise InvalidValue(f"there is no level {level!r}: write DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return name


def levels_from(environ: Mapping[str, str]) -> Levels:
    """What `WEFT_LOG_LEVEL` says, as in `INFO` or `INFO,sqlalchemy.engine=WARNING,urllib3=ERROR`.

    Raises:
        InvalidValue: it cannot be understood; the message names the variable.
    """
    text = environ.get(VARIABLE, "")
    try:
        return _parsed(text)
    except InvalidValue as error:
        example = f"{VARIABLE}=INFO,urllib3=WARNING"
        raise InvalidValue(f"{VARIABLE}={text!r} in the environment: {error}, as in {example}") from None


def _parsed(text: str) -> Levels:
    root: Level | None = None
    loggers: dict[str, Level] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, sign, level = (word.strip() for word in part.rpartition("="))
        if not sign:
            root = level_named(level)
        elif name:
            loggers[name] = level_named(level)
        else:
            raise InvalidValue(f"{part!r} names no logger: write LEVEL or LOGGER=LEVEL")
    return Levels(root, loggers)
